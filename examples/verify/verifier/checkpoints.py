"""Checkpoints, cosignatures and quorums (spec/42 §1, §3, §4)."""

import re
from dataclasses import dataclass, field

from verifier import ed25519, notes
from verifier.encoding import Refused, decimal, hash_of, malformed
from verifier.notes import Key, Note


def ledger_name(consortium: str, member: str) -> str:
    return f"blindmatch/{consortium}/{member}/ledger"


def witness_name(consortium: str, member: str) -> str:
    return f"blindmatch/{consortium}/{member}/witness"


def parse_origin(origin: str) -> tuple[str, int]:
    """The ledger's name, and the number of the incarnation."""
    ledger, separator, number = origin.rpartition("/")
    if not separator or not notes.is_name(ledger):
        raise malformed("an origin that is no name of a key")
    incarnation = decimal(number)
    if incarnation == 0:
        raise malformed("incarnations are numbered from 1")
    return ledger, incarnation


@dataclass(frozen=True)
class LedgerKeys:
    """The keys that sign for one ledger, in any of its incarnations."""

    ledger: str
    publics: frozenset[bytes]


def ledger_keys(keys: list[Key]) -> LedgerKeys:
    """Each may be given under the name of the ledger or of any of its origins."""
    ledgers = {re.sub(r"/ledger/[1-9][0-9]*$", "/ledger", key.name) for key in keys}
    if len(ledgers) != 1:
        raise malformed("the keys are those of several ledgers")
    return LedgerKeys(ledgers.pop(), frozenset(key.public for key in keys))


@dataclass(frozen=True)
class Quorum:
    """Whose cosignatures count, by the name of the witness, and how many it takes."""

    keys: tuple[Key, ...]
    number: int
    witnesses: frozenset[str] = field(default=frozenset())


def parse_quorum(keys: list[Key], number: int | None) -> Quorum:
    names = {key.public: key.name for key in keys}
    if any(names[key.public] != key.name for key in keys):
        raise malformed("one key is given under two names")
    witnesses = frozenset(names.values())
    needed = len(witnesses) // 2 + 1 if number is None else number
    if not 1 <= needed <= len(witnesses):
        raise malformed(f"a quorum of {needed} of {len(witnesses)} witnesses")
    return Quorum(tuple(keys), needed, witnesses)


@dataclass(frozen=True)
class Checkpoint:
    ledger: str
    incarnation: int
    size: int
    root: bytes
    note: Note

    @property
    def origin(self) -> str:
        return f"{self.ledger}/{self.incarnation}"

    @property
    def state(self) -> tuple[int, int, bytes]:
        return self.incarnation, self.size, self.root


def parse_checkpoint(data: bytes) -> Checkpoint:
    note = notes.parse_note(data)
    lines = note.text.split("\n")
    if len(lines) != 4:
        raise malformed("a checkpoint has three lines")
    ledger, incarnation = parse_origin(lines[0])
    return Checkpoint(ledger, incarnation, decimal(lines[1]), hash_of(lines[2]), note)


def verify_signature(checkpoint: Checkpoint, keys: LedgerKeys) -> None:
    """Signed by a key of this ledger, under the checkpoint's origin."""
    if checkpoint.ledger != keys.ledger:
        raise Refused("other ledger", f"of {checkpoint.ledger}, not of {keys.ledger}")
    known = [Key(checkpoint.origin, notes.ED25519, public) for public in keys.publics]
    if not notes.signers(checkpoint.note, known):
        raise Refused("unsigned", "by no key of this ledger")


@dataclass(frozen=True)
class Cosigned:
    """Who cosigned: the time of the newest cosignature of each witness."""

    times: dict[str, int]


def verify_quorum(checkpoint: Checkpoint, quorum: Quorum) -> Cosigned:
    signed = notes.signers(checkpoint.note, quorum.keys, _cosigned)
    names = {key.name for key in signed}
    if len(names) < quorum.number:
        raise Refused("quorum", f"{len(names)} of {quorum.number} witnesses cosigned")
    by_name: dict[str, int] = {}
    hashes = {(key.name, key.hash) for key in signed}
    for signature in checkpoint.note.signatures:
        if (signature.name, signature.key_hash) in hashes:
            time = int.from_bytes(signature.body[:8], "big")
            by_name[signature.name] = max(time, by_name.get(signature.name, 0))
    return Cosigned(by_name)


def _cosigned(key: Key, text: str, body: bytes) -> bool:
    if len(body) != 72:
        return False
    time = int.from_bytes(body[:8], "big")
    if not 1 <= time < 2**63:
        return False
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    return ed25519.verifies(key.public, message, body[8:])
