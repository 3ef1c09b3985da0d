"""Every value of spec/vectors that this verifier reads."""

import re
import unittest

from tests.vectors import load, unhex
from verifier import (
    checkpoints,
    commitments,
    delegations,
    ed25519,
    files,
    growth,
    merkle,
    notes,
)
from verifier import receipts, records, rosters
from verifier.encoding import Reader, Refused, sha256
from verifier.replay import Replay


class Refuses(unittest.TestCase):
    def refused(self, reason: str, call, *arguments) -> Refused:
        with self.assertRaises(Refused) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.reason, reason)
        return caught.exception


class Audit(Refuses):
    def setUp(self) -> None:
        self.vectors = load("audit")

    def test_trees(self) -> None:
        tree, roots = merkle.Tree(), self.vectors["tree"]["roots"]
        self.assertEqual(tree.root().hex(), roots[0])
        leaves = map(unhex, self.vectors["tree"]["leaves"])
        for leaf, hashed, root in zip(leaves, self.vectors["tree"]["leaf_hashes"], roots[1:]):
            self.assertEqual(merkle.leaf_hash(leaf).hex(), hashed)
            tree.push(merkle.leaf_hash(leaf))
            self.assertEqual(tree.root().hex(), root)

    def test_inclusion(self) -> None:
        tree = self.vectors["tree"]
        for case in tree["inclusion"]:
            leaf, root = unhex(tree["leaf_hashes"][case["index"]]), unhex(
                tree["roots"][case["size"]]
            )
            proof = list(map(unhex, case["proof"]))
            merkle.verify_inclusion(leaf, case["index"], case["size"], proof, root)
            for wrong in (proof + [root], proof[:-1], [sha256(each) for each in proof]):
                if wrong != proof:
                    self.refused(
                        "inclusion",
                        merkle.verify_inclusion,
                        *(leaf, case["index"], case["size"], wrong, root),
                    )

    def test_consistency(self) -> None:
        roots = list(map(unhex, self.vectors["tree"]["roots"]))
        for case in self.vectors["tree"]["consistency"]:
            old, size = case["old"], case["size"]
            proof = list(map(unhex, case["proof"]))
            merkle.verify_consistency(old, roots[old], size, roots[size], proof)
            for wrong in (proof + [roots[0]], proof[:-1], [sha256(each) for each in proof]):
                if wrong != proof:
                    self.refused(
                        "consistency",
                        merkle.verify_consistency,
                        *(old, roots[old], size, roots[size], wrong),
                    )

    def test_notes(self) -> None:
        vectors = self.vectors["note"]
        keys = [notes.parse_key(key) for key in vectors["keys"]]
        note = notes.parse_note(vectors["note"].encode())
        self.assertEqual(note.text, vectors["text"])
        self.assertEqual(notes.signers(note, keys), set(keys))
        self.assertEqual(notes.signers(note, keys[1:]), set(keys[1:]))

    def test_openings(self) -> None:
        root = unhex(self.vectors["commitment"]["root"])
        for case in self.vectors["commitment"]["openings"]:
            opening = commitments.parse_opening(unhex(case["bytes"]))
            self.assertEqual((opening.index, opening.salt.hex()), (case["index"], case["salt"]))
            commitments.verify_opening(opening, unhex(case["row"]), root)
            other = unhex(case["row"]) + b"."
            self.refused("inclusion", commitments.verify_opening, opening, other, root)
            self.refused("malformed", commitments.verify_opening, opening, b"", root)


class Receipts(Refuses):
    def test_receipts(self) -> None:
        vectors = load("receipt")
        keys = [[unhex(vectors["querier_key"])], [unhex(vectors["responder_key"])]]
        both = receipts.parse_signed(unhex(vectors["signed_by_both"]))
        self.assertEqual(both.receipt.message.hex(), vectors["bytes"])
        self.assertEqual(receipts.member_of(both.receipt.identities[0]), ("c", "alpha"))
        for side in (0, 1):
            receipts.verify_side(both, side, keys[side])
            self.refused("signature", receipts.verify_side, both, side, keys[1 - side])
        one = receipts.parse_signed(unhex(vectors["signed_by_querier"]))
        receipts.verify_side(one, 0, keys[0])
        self.refused("unsigned", receipts.verify_side, one, 1, keys[1])


class Ledgers(Refuses):
    def setUp(self) -> None:
        self.vectors = load("ledger")
        self.keys = checkpoints.ledger_keys([notes.parse_key(self.vectors["keys"][0])])
        self.cosigners = [
            notes.parse_key(each["key"], notes.COSIGNATURE)
            for each in self.vectors["cosignatures"]
        ]
        self.quorum = checkpoints.parse_quorum(self.cosigners, None)

    def test_records(self) -> None:
        for case in self.vectors["records"] + self.vectors["other_records"]:
            record = records.parse_record(unhex(case["bytes"]))
            self.assertEqual((record.time, record.kind), (case["time"], case["kind"]))
            self.assertEqual(record.nonce.hex(), case["nonce"])
            self.assertEqual(list(record.shown().values()), list(case["fields"].values()))
            self.assertEqual(merkle.leaf_hash(unhex(case["bytes"])).hex(), case["leaf_hash"])

    def test_salted(self) -> None:
        for case in self.vectors["salted"]:
            digest = records.salted(unhex(case["salt"]), case["content"].encode())
            self.assertEqual(digest.hex(), case["digest"])

    def test_replay(self) -> None:
        checkpoint = checkpoints.parse_checkpoint(self.vectors["cosigned_checkpoint"].encode())
        checkpoints.verify_signature(checkpoint, self.keys)
        cosigned = checkpoints.verify_quorum(checkpoint, self.quorum)
        self.assertEqual(
            cosigned.times,
            {each["name"]: each["time"] for each in self.vectors["cosignatures"]},
        )
        replay = Replay([checkpoint])
        for index, case in enumerate(self.vectors["records"]):
            replay.push(index, unhex(case["bytes"]))
            self.assertEqual(replay.tree.root().hex(), self.vectors["roots"][index + 1])
        replay.end()

    def test_keys(self) -> None:
        texts = self.vectors["keys"]
        for text in texts:
            keys = checkpoints.ledger_keys([notes.parse_key(text)])
            checkpoint = checkpoints.parse_checkpoint(self.vectors["checkpoint"].encode())
            checkpoints.verify_signature(checkpoint, keys)
            self.refused("quorum", checkpoints.verify_quorum, checkpoint, self.quorum)

    def test_proofs(self) -> None:
        for case in self.vectors["proofs"]:
            proof = files.parse_proof(case["text"].encode())
            self.assertEqual(proof.index, case["index"])
            files.verify_proof(proof, self.keys, self.quorum)

    def test_growth(self) -> None:
        """A witness's 200 is what holds here; 409 is another older checkpoint than it has."""
        reasons = {
            400: {"malformed"},
            403: {"unsigned", "signature"},
            404: {"other ledger"},
            409: {"other"},
            422: {"consistency", "inclusion"},
        }
        for case in self.vectors["requests"]:
            older = tuple(case["last"].values())[:2] + (unhex(case["last"]["root"]),)
            with self.subTest(case["about"]):
                try:
                    parsed = growth.parse_growth(case["body"].encode())
                    growth.verify_growth(parsed, older, self.keys)
                except Refused as refused:
                    self.assertIn(refused.reason, reasons.get(case["status"], {}), refused)
                else:
                    self.assertEqual(case["status"], 200)


class Membership(Refuses):
    def setUp(self) -> None:
        self.vectors = load("membership")

    def test_fingerprints(self) -> None:
        for case in self.vectors["fingerprints"]:
            fingerprint = rosters.fingerprint(case["text"])
            self.assertEqual(fingerprint.hex(), case["bytes"])
            self.assertEqual(rosters.in_words(fingerprint), case["words"])
            self.assertEqual(rosters.from_words(case["words"].upper()), fingerprint)
        self.refused("malformed", rosters.from_words, "zoo " * 11)
        self.refused("malformed", rosters.from_words, "zoo " * 12)
        self.refused("malformed", rosters.from_words, "zoo " * 11 + "zooo")

    def test_texts(self) -> None:
        roster = rosters.parse_roster(self.vectors["roster"]["note"].encode())
        self.assertEqual(roster.note.text, self.vectors["roster"]["text"])
        self.assertEqual(roster.digest.hex(), self.vectors["roster"]["digest"])
        card = delegations.parse_card(self.vectors["card"]["note"].encode())
        self.assertEqual(card.text, self.vectors["card"]["text"])
        self.assertTrue(card.is_of(roster.members["kilo"]))
        delegation = delegations.parse_delegation(self.vectors["delegation"]["note"].encode())
        self.assertEqual(delegation.digest.hex(), self.vectors["delegation"]["digest"])
        delegation.counts(roster, delegation.not_before)
        self.refused("expired", delegation.counts, roster, delegation.expires)
        early = delegation.not_before - rosters.HOUR - 1
        self.refused("not yet valid", delegation.counts, roster, early)
        request = self.vectors["delegation"]["request"].encode()
        self.refused("unsigned", delegations.parse_delegation, request)

    def test_malformed(self) -> None:
        read = {
            "roster": rosters.parse_roster,
            "delegation": delegations.parse_delegation,
            "card": delegations.parse_card,
        }
        for case in self.vectors["malformed"]:
            with self.subTest(case["why"]):
                signature = "\n— somebody AAAAAAA=\n"
                note = (case["text"] + signature).encode()
                refused = self.refused("malformed", read[case["kind"]], note)
                line = re.match(r"line (\d+): ", refused.detail)
                self.assertIsNotNone(line, refused)
                self.assertEqual(int(line[1]), case["line"], refused)

    def test_judged(self) -> None:
        by = {
            "AlreadyHeld": "held",
            "New Fingerprint": "fingerprint",
            "New Keys": "keys",
            "New NextKeys": "next keys",
        }
        for case in self.vectors["judged"]:
            with self.subTest(case["why"]):
                trust = _trust(unhex(self.vectors["nodes"][case["node"]]))
                given = case["given"].encode()
                try:
                    _, result = rosters.judge(trust, given, case["time"])
                except Refused as refused:
                    self.assertEqual(refused.reason.replace(" ", ""), case["result"].lower())
                else:
                    self.assertEqual(result, by[case["result"]])


def _trust(stored: bytes) -> rosters.Trust:
    """What a node keeps of it (spec/41 §5.4)."""
    reader = Reader(stored, "blindmatch trust v1")
    confirmed = [reader.take(16) for _ in range(reader.number(4))]
    held = reader.sized(notes.MAX_BYTES)
    reader.end()
    return rosters.Trust(
        confirmed[0] if confirmed else None, rosters.parse_roster(held) if held else None
    )


class Keys(unittest.TestCase):
    def test_small_order(self) -> None:
        """The y coordinates in the list are those of points P with 8 P = 0, by the curve's law."""
        for y in ed25519.SMALL_ORDER_Y:
            for _ in range(3):
                y = _doubled(y)
            self.assertEqual(y, 1)

    def test_strict(self) -> None:
        base = (4 * pow(5, ed25519.P - 2, ed25519.P) % ed25519.P).to_bytes(32, "little")
        self.assertTrue(ed25519.is_point(base))
        self.assertFalse(ed25519.is_point((ed25519.P + 3).to_bytes(32, "little")))
        self.assertFalse(ed25519.is_point((2).to_bytes(32, "little")))


def _doubled(y: int) -> int:
    """The y coordinate of 2 P, from that of P alone."""
    p, d = ed25519.P, ed25519._D
    xx = (y * y - 1) * pow(d * y * y + 1, p - 2, p) % p
    return (y * y + xx) * pow(1 - d * xx * y * y, p - 2, p) % p


if __name__ == "__main__":
    unittest.main()
