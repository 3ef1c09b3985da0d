"""The command line: on the demonstration, and on a small ledger that is signed here."""

import base64
import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests import demo
from tests.vectors import load, unhex
from verifier import files, notes, rosters
from verifier.cli import main
from verifier.encoding import context, u8, u64
from verifier.merkle import EMPTY_ROOT, Tree, leaf_hash
from verifier.records import CONTEXT, salted
from verifier.report import Report


class Command(unittest.TestCase):
    def setUp(self) -> None:
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name)

    def file(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def run_it(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and what it says by check."""
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            try:
                code = main([*arguments, "--output", "json"])
            except SystemExit as usage:
                code = int(usage.code or 0)
        if not said.getvalue():
            return code, {}
        told = json.loads(said.getvalue())
        self.assertEqual(told["schema"], "blindmatch.verify.v1")
        self.assertEqual(told["holds"], code == 0)
        return code, {check["check"]: check for check in told["checks"]}


@demo.needs_demo
class Demonstration(Command):
    def setUp(self) -> None:
        super().setUp()
        self.roster = self.file("roster", demo.roster())
        self.words = rosters.in_words(rosters.parse_roster(demo.roster()).fingerprint)
        self.trust = ["--roster", self.roster, "--fingerprint", self.words]
        for member in demo.MEMBERS:
            self.trust += ["--delegation", self.file(member, demo.delegation(member))]

    def test_ledgers(self) -> None:
        for member in demo.MEMBERS:
            file = self.file("ledger", demo.exported(member))
            code, said = self.run_it("ledger", file, *self.trust)
            self.assertEqual(code, 0, said)
            self.assertNotIn("open", {check["verdict"] for check in said.values()})
            self.assertEqual(len(said["cosignatures"]["cosigners"]), 2)
            self.assertEqual(said["records"]["records"], said["checkpoint"]["size"])

    def test_proof_delegation_card(self) -> None:
        code, said = self.run_it(
            "proof", self.file("proof", demo.proof("cloud", 17)), *self.trust
        )
        self.assertEqual((code, said["record"]["index"]), (0, 17))
        code, said = self.run_it(
            "delegation", self.file("one", demo.delegation("cloud")), *self.trust[:4]
        )
        self.assertEqual((code, said["delegation"]["member"]), (0, "cloud"))
        card = str(demo.folder() / "administrators" / "cloud.card")
        code, said = self.run_it("card", card, *self.trust[:4])
        self.assertEqual((code, said["membership"]["verdict"]), (0, "holds"))

    def test_known(self) -> None:
        """A checkpoint that the ledger goes on from, and one of another ledger."""
        file = self.file("ledger", demo.exported("cloud"))
        head = json.loads(demo.exported("cloud").split(b"\n")[0])["checkpoint"].encode()
        known = self.file("known", head)
        code, said = self.run_it("ledger", file, *self.trust, "--known", known)
        self.assertEqual((code, said["known"]["verdict"]), (0, "holds"))
        code, said = self.run_it("checkpoint", known, *self.trust)
        self.assertEqual((code, said["cosignatures"]["verdict"]), (0, "holds"))
        head = json.loads(demo.exported("hosting").split(b"\n")[0])["checkpoint"].encode()
        code, said = self.run_it(
            "ledger", file, *self.trust, "--known", self.file("known", head)
        )
        self.assertEqual((code, said["known"]["reason"]), (1, "other ledger"))

    def test_refused(self) -> None:
        file = self.file("ledger", demo.exported("cloud"))
        code, said = self.run_it("ledger", file, *self.trust[:6])
        self.assertEqual((code, said["witnesses"]["reason"]), (1, "quorum"))
        code, said = self.run_it("ledger", file, *self.trust, "--at", "2100-01-01T00:00:00Z")
        self.assertEqual((code, said["roster"]["reason"]), (1, "expired"))
        other = rosters.in_words(bytes(16))
        code, said = self.run_it("roster", self.roster, "--fingerprint", other)
        self.assertEqual((code, said["roster"]["reason"]), (1, "other fingerprint"))
        records = demo.exported("cloud").splitlines(keepends=True)
        less = self.file("less", b"".join(records[:-1]))
        code, said = self.run_it("ledger", less, *self.trust)
        self.assertEqual((code, said["records"]["reason"]), (1, "gap"))

    def test_open(self) -> None:
        """What was not checked is said, and holds no less."""
        code, said = self.run_it("roster", self.roster)
        self.assertEqual((code, said["trust"]["verdict"]), (0, "open"))
        self.assertIn(self.words, said["trust"]["text"])
        key = demo.witnesses("cloud")["keys"][0]
        code, said = self.run_it(
            "ledger", self.file("ledger", demo.exported("cloud")), "--key", key
        )
        self.assertEqual((code, said["cosignatures"]["verdict"]), (0, "open"))


class Own(Command):
    """A ledger with a receipt and a commitment of the vectors."""

    def setUp(self) -> None:
        super().setUp()
        self.vectors, commitment = load("receipt"), load("audit")["commitment"]
        self.stored = unhex(self.vectors["signed_by_both"])
        nonce = bytes(range(32))
        records = [
            self._record(1, u64(1) + u64(0) + EMPTY_ROOT),
            self._record(10, self._run + salted(nonce, self.stored), nonce),
            self._record(13, self._run + unhex(commitment["root"])),
        ]
        signing = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
        public = signing.public_key().public_bytes_raw()
        ledger = "blindmatch/c/alpha/ledger"
        key = notes.Key(f"{ledger}/1", notes.ED25519, public)
        material = base64.b64encode(b"\1" + public).decode()
        self.key = f"{key.name}+{key.hash.hex()}+{material}"
        self.ledger = self.file("ledger", self._export(key, signing, records))
        self.receipt = self.file("receipt", self.stored)
        self.sides = []
        for side in ("querier", "responder"):
            encoded = base64.b64encode(unhex(self.vectors[f"{side}_key"])).decode()
            self.sides += [f"--{side}-key", encoded]
        opening = commitment["openings"][0]
        self.opening = self.file("opening", unhex(opening["bytes"]))
        self.row = self.file("row", unhex(opening["row"]))
        self.root = commitment["root"]

    @property
    def _run(self) -> bytes:
        return unhex(self.vectors["run"])

    def _record(self, kind: int, fields: bytes, nonce: bytes = bytes(32)) -> bytes:
        return context(CONTEXT) + u64(1_800_000_000) + nonce + u8(kind) + fields

    def _export(
        self, key: notes.Key, signing: Ed25519PrivateKey, records: list[bytes]
    ) -> bytes:
        tree = Tree()
        for record in records:
            tree.push(leaf_hash(record))
        root = base64.b64encode(tree.root()).decode()
        text = f"{key.name}\n{tree.size}\n{root}\n"
        signature = base64.b64encode(key.hash + signing.sign(text.encode())).decode()
        lines: list[dict[str, Any]] = [
            {"schema": files.SCHEMA, "checkpoint": f"{text}\n\u2014 {key.name} {signature}\n"}
        ]
        for index, record in enumerate(records):
            lines.append({"index": index, "record": base64.b64encode(record).decode()})
        written = (
            json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines
        )
        return "".join(line + "\n" for line in written).encode()

    def test_receipt(self) -> None:
        code, said = self.run_it("receipt", self.receipt, *self.sides)
        self.assertEqual((code, said["recorded"]["verdict"]), (0, "open"))
        recorded = ["--ledger", self.ledger, "--key", self.key]
        code, said = self.run_it("receipt", self.receipt, *self.sides, *recorded)
        self.assertEqual((code, said["recorded"]["index"]), (0, 1))
        one = self.file("one", unhex(self.vectors["signed_by_querier"]))
        code, said = self.run_it("receipt", one, *self.sides)
        self.assertEqual((code, said["responder"]["reason"]), (1, "unsigned"))

    def test_receipt_that_is_not_recorded(self) -> None:
        """Another transcript, which both signed: it is no record's."""
        keys = [Ed25519PrivateKey.from_private_bytes(bytes(31) + u8(seed)) for seed in (2, 3)]
        message = unhex(self.vectors["bytes"])[:-1] + b"\0"
        length = len(message).to_bytes(4, "big")
        signed = [
            key.sign(context("blindmatch receipt signature v1") + u8(side) + length + message)
            for side, key in enumerate(keys)
        ]
        stored = (
            context("blindmatch signed receipt v1")
            + length
            + message
            + u8(2)
            + b"".join(signed)
        )
        sides = []
        for side, key in zip(("querier", "responder"), keys):
            public = key.public_key().public_bytes_raw()
            sides += [f"--{side}-key", base64.b64encode(public).decode()]
        file = self.file("other", stored)
        recorded = ["--ledger", self.ledger, "--key", self.key]
        code, said = self.run_it("receipt", file, *sides, *recorded)
        self.assertEqual((code, said["recorded"]["reason"]), (1, "not recorded"))

    def test_opening(self) -> None:
        of_run = ["--ledger", self.ledger, "--key", self.key, "--run", self.vectors["run"]]
        code, said = self.run_it("opening", self.opening, "--row", self.row, *of_run)
        self.assertEqual((code, said["opening"]["verdict"]), (0, "holds"))
        code, said = self.run_it(
            "opening", self.opening, "--row", self.row, "--root", self.root
        )
        self.assertEqual((code, said["root"]["verdict"]), (0, "open"))
        other = self.file("other", b"another row")
        code, said = self.run_it("opening", self.opening, "--row", other, "--root", self.root)
        self.assertEqual((code, said["opening"]["reason"]), (1, "inclusion"))

    def test_consistency(self) -> None:
        vectors = load("ledger")
        case = next(each for each in vectors["requests"] if each["about"] == "cosigned")
        request = self.file("request", case["body"].encode())
        # The older one, of 20 records, is in a request too, with its signature.
        again = next(each for each in vectors["requests"] if each["about"] == "again")
        older = self.file("older", again["body"].partition("\n\n")[2].encode())
        key = ["--key", vectors["keys"][0]]
        code, said = self.run_it("consistency", request, "--known", older, *key)
        self.assertEqual((code, said["consistency"]["reason"]), (1, "other"))
        code, said = self.run_it(
            "consistency", self.file("again", again["body"].encode()), "--known", older, *key
        )
        self.assertEqual((code, said["consistency"]["verdict"]), (0, "holds"), said)

    def test_terminal(self) -> None:
        """What a file says does not act on a terminal."""
        report = Report("receipt")
        report.holds("blindmatch://c/\x1b[2Jalpha\u202e")
        self.assertIn("blindmatch://c/\\x1b[2Jalpha\\u202e", report.as_table())
        self.assertTrue(report.as_json().isascii())

    def test_usage(self) -> None:
        self.assertEqual(self.run_it("ledger", self.ledger)[0], 2)
        self.assertEqual(
            self.run_it("ledger", str(self.folder / "none"), "--key", self.key)[0], 2
        )
        self.assertEqual(self.run_it("receipt", self.receipt)[0], 2)
        self.assertEqual(self.run_it("opening", self.opening, "--row", self.row)[0], 2)
        self.assertEqual(self.run_it("ledger", self.ledger, "--key", "none")[0], 1)


if __name__ == "__main__":
    unittest.main()
