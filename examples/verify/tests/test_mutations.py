"""Single changes of all that is signed, recorded or proven: this verifier and the one in Rust say
the same of each, for the same reason, and no change is taken that says something else."""

import base64
import dataclasses
import io
import json
import os
import random
import unittest
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests import demo, exports, mutations
from tests.mutations import Mutation
from tests.vectors import load, unhex
from verifier import checkpoints, commitments, delegations, files, growth, notes, receipts
from verifier import records, rosters
from verifier.encoding import Refused

# So many that are refused, of each kind of file; so many at all of each kind of record, a tenth.
SHORT, LONG = 300, 10_000
# Where the judge has one word for several of ours.
SAME = {
    "untrusted": {"unsigned", "signature"},
    "inconsistent": {"consistency", "inclusion"},
}


@dataclasses.dataclass
class Subject:
    name: str
    original: bytes
    verify: Callable[[bytes], Any]
    question: dict[str, Any]
    mutations: list[Mutation]
    # None for what many changes leave in its form: then the two have to agree, no more.
    changes_nothing: Callable[[bytes], bool] | None = lambda changed: False
    counts: Counter = dataclasses.field(default_factory=Counter)


@demo.needs_demo
class Mutations(unittest.TestCase):
    def setUp(self) -> None:
        self.judge = demo.Judge()
        self.addCleanup(self.judge.close)

    def test_agree(self) -> None:
        self._all(SHORT)

    @unittest.skipUnless("VERIFY_LONG" in os.environ, "examples/verify/test.sh --long")
    def test_agree_long(self) -> None:
        self._all(LONG)

    def _all(self, count: int) -> None:
        total: Counter = Counter()
        for subject in subjects():
            with self.subTest(subject.name):
                self._agree(subject, subject.original, True)
                source = random.Random(f"{subject.name} 1")
                told = subject.changes_nothing is not None
                what, of_this = ("refused", count) if told else ("judged", count // 10)
                while subject.counts[what] < of_this:
                    changed = source.choice(subject.mutations)(source, subject.original)
                    if changed != subject.original:
                        subject.counts["judged"] += 1
                        self._agree(subject, changed, _nothing(subject, changed))
                print(f"  {subject.name:<22}", _shown(subject.counts), flush=True)
                total += subject.counts
        print(f"  {'all':<22}", _shown(total), flush=True)

    def _agree(self, subject: Subject, changed: bytes, nothing: bool | None) -> None:
        """`nothing`: whether the change changes nothing; None where nobody says."""
        ours, detail = None, ""
        try:
            subject.verify(changed)
        except Refused as why:
            ours, detail = why.reason, why.detail
        theirs, said = self.judge.refused(subject.question, changed)
        told = f"here {ours} ({detail}), Rust {theirs} ({said}): {changed!r:.4000}"
        self.assertTrue(ours == theirs or ours in SAME.get(theirs, ()), told)
        if nothing is not None:
            self.assertEqual(ours is None, nothing, told)
        if changed != subject.original:
            subject.counts["passed over" if ours is None else "refused"] += 1
            subject.counts[ours or "-"] += 1


def _nothing(subject: Subject, changed: bytes) -> bool | None:
    return subject.changes_nothing(changed) if subject.changes_nothing else None


def _shown(counts: Counter) -> str:
    passed, refused = counts["passed over"], counts["refused"]
    reasons = sorted(
        f"{word} {number}"
        for word, number in counts.items()
        if word not in ("judged", "passed over", "refused", "-")
    )
    return (
        f"{counts['judged']} changes, one verdict: {refused} refused, {passed} hold"
        f" ({', '.join(reasons)})"
    )


def subjects() -> list[Subject]:
    return [
        *_ledgers(),
        _restored(),
        *_records(),
        *_checkpoints(),
        *_members(),
        *_receipts(),
        *_consistency(),
    ]


def _trust(member: str, number: int) -> tuple[dict, checkpoints.LedgerKeys, checkpoints.Quorum]:
    """The keys of a ledger and its witnesses, `number` of whom have to cosign. A second key of the
    ledger is known, one that signed nothing, as after a rotation."""
    known = demo.witnesses(member)
    other = demo.witnesses(next(name for name in demo.MEMBERS if name != member))
    name = known["keys"][0].split("+")[0]
    second = notes.parse_key(other["keys"][0]).public
    second = notes.Key(name, notes.ED25519, second)
    text = f"{name}+{second.hash.hex()}+{base64.b64encode(bytes([1]) + second.public).decode()}"
    trusted = {
        "keys": known["keys"] + [text],
        "witnesses": known["witness_keys"],
        "quorum": number,
    }
    keys = checkpoints.ledger_keys([notes.parse_key(key) for key in trusted["keys"]])
    cosigners = [notes.parse_key(key, notes.COSIGNATURE) for key in known["witness_keys"]]
    return trusted, keys, checkpoints.parse_quorum(cosigners, number)


def _known_and_needed(trusted: dict) -> tuple[list[str], list[set[str]]]:
    origin_keys = []
    for key in trusted["keys"]:
        name, _, material = key.split("+", 2)
        signing = notes.Key(f"{name}/1", notes.ED25519, base64.b64decode(material)[1:])
        origin_keys.append(f"{signing.name}+{signing.hash.hex()}+{material}")
    cosigners = {key.split("+")[0] for key in trusted["witnesses"]}
    needed = [{origin_keys[0].split("+")[0]}] + [cosigners] * trusted["quorum"]
    return origin_keys + trusted["witnesses"], needed


def _ledgers() -> list[Subject]:
    found = []
    for member, number in (("cloud", 2), ("payments", 1)):
        trusted, keys, quorum = _trust(member, number)
        known, needed = _known_and_needed(trusted)
        original = demo.exported(member)
        others = [demo.exported(name) for name in demo.MEMBERS if name != member]
        mutate = mutations.Records(others, mutations.Signatures(known))
        found.append(
            Subject(
                f"ledger, {number} of 2",
                original,
                lambda data, keys=keys, quorum=quorum: files.verify_export(
                    io.BytesIO(data), keys, quorum, []
                ),
                {"what": "ledger", **trusted},
                [*mutations.BYTES, *mutations.LINES] + [mutate] * 20,
                exports.same_export(original, known, needed),
            )
        )
    return found


def _restored() -> Subject:
    """A ledger that was restored and names what it lost, held against what is known of it."""
    vectors = load("ledger")
    witnesses = [each["key"] for each in vectors["cosignatures"]]
    trusted = {"keys": vectors["keys"], "witnesses": witnesses, "quorum": 2}
    lost = vectors["lost"]
    known = [
        exports.unsigned_checkpoint(1, 13, unhex(vectors["roots"][13])),
        exports.unsigned_checkpoint(lost["incarnation"], lost["size"], unhex(lost["root"])),
        exports.unsigned_checkpoint(2, 23, unhex(vectors["roots"][23])),
    ]
    keys = checkpoints.ledger_keys([notes.parse_key(key) for key in trusted["keys"]])
    cosigners = [notes.parse_key(key, notes.COSIGNATURE) for key in witnesses]
    quorum = checkpoints.parse_quorum(cosigners, 2)
    older = [checkpoints.parse_checkpoint(note) for note in known]
    # The key under the name of the second incarnation is that which signed.
    looked_at = [vectors["keys"][2], *witnesses]
    names = [key.split("+")[0] for key in looked_at]
    needed = [{names[0]}, set(names[1:]), set(names[1:])]
    original = exports.of_vectors()
    mutate = mutations.Records([demo.exported("cloud")], mutations.Signatures(looked_at))
    return Subject(
        "ledger, restored",
        original,
        lambda data: files.verify_export(io.BytesIO(data), keys, quorum, older),
        {"what": "ledger", **trusted, "known": [demo.encoded(note) for note in known]},
        [*mutations.BYTES, *mutations.LINES] + [mutate] * 20,
        exports.same_export(original, looked_at, needed),
    )


def _records() -> list[Subject]:
    """The form of each kind of record."""
    vectors = load("ledger")
    every = vectors["records"] + vectors["other_records"]
    return [
        Subject(
            f"record, kind {kind}",
            unhex(case["bytes"]),
            records.parse_record,
            {"what": "record"},
            [*mutations.BYTES, *[mutations.behind(68, mutations.flip)] * 8],
            None,
        )
        for kind, case in {case["kind"]: case for case in every}.items()
    ]


def _checkpoints() -> list[Subject]:
    found = []
    for number in (2, 1):
        trusted, keys, quorum = _trust("cloud", number)
        known, needed = _known_and_needed(trusted)
        note = json.loads(demo.exported("cloud").split(b"\n")[0])["checkpoint"].encode()

        def verify(data: bytes, keys=keys, quorum=quorum) -> None:
            checkpoint = checkpoints.parse_checkpoint(data)
            checkpoints.verify_signature(checkpoint, keys)
            checkpoints.verify_quorum(checkpoint, quorum)

        def same(changed: bytes, note=note, known=known, needed=needed) -> bool:
            return mutations.changes_nothing(note, changed, known, needed)

        signatures = mutations.Signatures(known)
        found.append(
            Subject(
                f"checkpoint, {number} of 2",
                note,
                verify,
                {"what": "checkpoint", **trusted},
                [*mutations.BYTES, *mutations.LINES, mutations.number_in_line]
                + [signatures] * 6,
                same,
            )
        )
    # Of the one that both witnesses have to have cosigned, their lines alone.
    note = found[0].original
    lines = note.rindex(b"\n", 0, note.index(b"/witness ")) + 1
    changes = [mutations.behind(lines, mutation) for mutation in mutations.BYTES]
    found.append(
        dataclasses.replace(found[0], name="cosignatures", mutations=changes, counts=Counter())
    )
    trusted, keys, quorum = _trust("cloud", 2)
    known, needed = _known_and_needed(trusted)
    original = demo.proof("cloud", 17)
    head, _, note = original.partition(b"\n\n")
    signatures = mutations.Signatures(known)

    def of_note(source: random.Random, data: bytes) -> bytes:
        return head + b"\n\n" + signatures(source, note)

    def same_proof(changed: bytes) -> bool:
        changed_head, _, rest = changed.partition(b"\n\n")
        return changed_head == head and mutations.changes_nothing(note, rest, known, needed)

    found.append(
        Subject(
            "proof of a record",
            original,
            lambda data: files.verify_proof(files.parse_proof(data), keys, quorum),
            {"what": "proof", **trusted},
            [*mutations.BYTES, *mutations.LINES, mutations.number_in_line, of_note, of_note],
            same_proof,
        )
    )
    return found


def _members() -> list[Subject]:
    original = demo.roster()
    parsed = rosters.parse_roster(original)
    at = parsed.not_before + 3600
    now = [f"{key.name}+{key.hash.hex()}+" for key in parsed.now.keys]
    signatures = mutations.Signatures(now)
    texts = [*mutations.BYTES, *mutations.LINES, mutations.number_in_line, signatures]
    first = [{parsed.now.keys[0].name}]

    def same_roster(changed: bytes) -> bool:
        return mutations.changes_nothing(original, changed, now, first)

    other = load("membership")["roster"]["note"].encode()
    values = mutations.field_of(other)
    by_words = rosters.Trust(confirmed=parsed.fingerprint)
    by_roster = rosters.Trust(held=parsed)
    words = rosters.in_words(parsed.fingerprint)
    found = [
        Subject(
            "roster, by its words",
            original,
            lambda data: rosters.judge(by_words, data, at),
            {"what": "roster", "fingerprint": words, "at": at},
            [*texts, values],
            same_roster,
        ),
        Subject(
            "roster, by the one held",
            original,
            lambda data: rosters.judge(by_roster, data, at),
            {"what": "roster", "roster": demo.encoded(original), "at": at},
            [*texts, values, values, values],
            same_roster,
        ),
    ]
    delegated = demo.delegation("cloud")
    read = delegations.parse_delegation(delegated)
    signing = [
        notes.Key(read.member, notes.ED25519, key)
        for key in (read.identity, read.receipts, read.checkpoints)
    ]
    known = [f"{key.name}+{key.hash.hex()}+" for key in signing]

    def same_delegation(changed: bytes) -> bool:
        kept = delegated.rpartition(b"\n\n")[2].splitlines(keepends=True)
        return (
            len(changed) <= delegations.MAX_BYTES
            and all(line in changed.splitlines(keepends=True) for line in kept)
            and mutations.changes_nothing(delegated, changed, known, [{read.member}])
        )

    found.append(
        Subject(
            "delegation",
            delegated,
            lambda data: delegations.parse_delegation(data).counts(parsed, at),
            {"what": "delegation", "roster": demo.encoded(original), "at": at},
            [
                *texts,
                mutations.Signatures(known),
                mutations.field_of(demo.delegation("hosting")),
            ],
            same_delegation,
        )
    )
    card = (demo.folder() / "administrators" / "cloud.card").read_bytes()
    another = (demo.folder() / "administrators" / "hosting.card").read_bytes()

    def same_card(changed: bytes) -> bool:
        return mutations.changes_nothing(card, changed, known[:1], [{read.member}])

    found.append(
        Subject(
            "card",
            card,
            delegations.parse_card,
            {"what": "card"},
            [*texts, mutations.Signatures(known[:1]), mutations.field_of(another)],
            same_card,
        )
    )
    return found


def _receipts() -> list[Subject]:
    vectors = load("receipt")
    keys = [unhex(vectors["querier_key"]), unhex(vectors["responder_key"])]

    def verify(data: bytes) -> None:
        signed = receipts.parse_signed(data)
        for side, key in enumerate(keys):
            receipts.verify_side(signed, side, [key])

    def swapped(source: random.Random, data: bytes) -> bytes:
        return data[:-128] + data[-64:] + data[-128:-64]

    def one_signature(source: random.Random, data: bytes) -> bytes:
        return data[:-129] + b"\1" + data[-128:-64] if source.random() < 0.5 else data[:-64]

    found = [
        Subject(
            "receipt",
            unhex(vectors["signed_by_both"]),
            verify,
            {"what": "receipt", "keys": [demo.encoded(key) for key in keys]},
            mutations.BYTES * 5 + [swapped, one_signature],
        )
    ]
    commitment = load("audit")["commitment"]
    case, root = commitment["openings"][1], unhex(commitment["root"])
    row = unhex(case["row"])
    found.append(
        Subject(
            "opening",
            unhex(case["bytes"]),
            lambda data: commitments.verify_opening(commitments.parse_opening(data), row, root),
            {"what": "opening", "row": demo.encoded(row), "root": demo.encoded(root)},
            mutations.BYTES,
            # The root does not prove the number of leaves, nor with it the index (spec/40 §5).
            lambda changed: _same_path(unhex(case["bytes"]), changed),
        )
    )
    return found


def _same_path(original: bytes, changed: bytes) -> bool:
    """Whether only index and number of leaves differ, in a way that leads along the same path."""
    if (
        len(original) != len(changed)
        or original[45:] != changed[45:]
        or original[:29] != changed[:29]
    ):
        return False
    turns = [_turns(*_index_and_leaves(each)) for each in (original, changed)]
    return turns[0] == turns[1]


def _index_and_leaves(opening: bytes) -> tuple[int, int]:
    return int.from_bytes(opening[29:37], "big"), int.from_bytes(opening[37:45], "big")


def _turns(index: int, leaves: int) -> list[bool] | None:
    """At each hash of the proof, whether it stands left (RFC 9162 §2.1.1, from the root down)."""
    if index >= leaves:
        return None
    turns: list[bool] = []
    while leaves > 1:
        half = 1 << (leaves - 1).bit_length() - 1
        turns.append(index >= half)
        index, leaves = (index - half, leaves - half) if index >= half else (index, half)
    return turns[::-1]


def _consistency() -> list[Subject]:
    vectors = load("ledger")
    keys = checkpoints.ledger_keys([notes.parse_key(vectors["keys"][0])])
    found = []
    for about in ("cosigned", "restored, and what was cosigned is named as lost"):
        case = next(each for each in vectors["requests"] if each["about"] == about)
        incarnation, size, root = case["last"].values()
        older = (incarnation, size, unhex(root))
        unsigned = exports.unsigned_checkpoint(*older)
        original = case["body"].encode()
        head, _, note = original.partition(b"\n\n")
        origin = note.split(b"\n")[0].decode()
        signing = [notes.Key(origin, notes.ED25519, key) for key in keys.publics]
        known = [f"{key.name}+{key.hash.hex()}+" for key in signing]

        def same(changed: bytes, head=head, note=note, known=known, origin=origin) -> bool:
            changed_head, _, rest = changed.partition(b"\n\n")
            return changed_head == head and mutations.changes_nothing(
                note, rest, known, [{origin}]
            )

        found.append(
            Subject(
                "consistency" if incarnation == 1 and size == 13 else "consistency, lost",
                original,
                lambda data, older=older: growth.verify_growth(
                    growth.parse_growth(data), older, keys
                ),
                {
                    "what": "consistency",
                    "keys": vectors["keys"][:1],
                    "known": [demo.encoded(unsigned)],
                },
                [*mutations.BYTES, *mutations.LINES, mutations.number_in_line],
                same,
            )
        )
    return found


if __name__ == "__main__":
    unittest.main()
