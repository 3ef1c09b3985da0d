"""The records of a ledger (spec/42 §2)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from verifier.encoding import Reader, context, malformed, sha256, sized, utf8

CONTEXT = "blindmatch ledger record v1"
MAX_BYTES = 1024
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
Value = int | str | bytes
Field = Callable[[Reader], Value]


def _u64(reader: Reader) -> int:
    return reader.number(8)


def _from_one(reader: Reader) -> int:
    number = reader.number(8)
    if number == 0:
        raise malformed("a number from 1 is 0")
    return number


def _hash(reader: Reader) -> bytes:
    return reader.take(32)


def _side(reader: Reader) -> int:
    side = reader.number(1)
    if side > 1:
        raise malformed(f"side {side}")
    return side


def _code(codes: range) -> Field:
    def read(reader: Reader) -> int:
        code = reader.number(1)
        if code not in codes:
            raise malformed(f"code {code}")
        return code

    return read


def _name(reader: Reader) -> str:
    name = utf8(reader.sized(255))
    if name == "" or _CONTROL.search(name):
        raise malformed("a name is empty or has control characters")
    return name


def _class(reader: Reader) -> int:
    size = reader.number(8)
    if size < 8 or size % (1 << (size.bit_length() - 3)):
        raise malformed(f"{size} is no size class")
    return size


# Kind by kind: what it is called, then its fields in their order.
KINDS: dict[int, tuple[str, dict[str, Field]]] = {
    0: ("filler", {}),
    1: ("incarnation", {"number": _from_one, "size": _u64, "root": _hash}),
    2: ("roster accepted", {"number": _u64, "roster": _hash}),
    3: ("delegation accepted", {"member": _name, "delegation": _hash}),
    4: ("policy in force", {"policy": _hash, "configuration": _hash}),
    5: ("epoch opened", {"view": _name, "epoch": _u64, "key": _hash}),
    6: ("epoch closed", {"view": _name, "epoch": _u64}),
    7: (
        "publication",
        {"view": _name, "sequence": _u64, "manifest": _hash, "root": _hash, "class": _class},
    ),
    8: (
        "debit",
        {
            "peer": _name,
            "view": _name,
            "epoch": _u64,
            "run": _hash,
            "batch": _u64,
            "digest": _hash,
            "class": _class,
        },
    ),
    9: ("run agreed", {"run": _hash, "peer": _name, "side": _side, "agreement": _hash}),
    10: ("run concluded", {"run": _hash, "receipt": _hash}),
    11: ("run without receipt", {"run": _hash}),
    12: ("results opened late", {"run": _hash}),
    13: ("results", {"run": _hash, "root": _hash}),
    14: ("VOLE spent", {"setup": _hash, "run": _hash}),
    15: (
        "release proposed",
        {"release": _hash, "content": _hash, "basis": _name, "operator": _name},
    ),
    16: ("release approved", {"release": _hash, "operator": _name}),
    17: ("release revoked", {"release": _hash, "operator": _name}),
    18: ("consent", {"release": _hash, "peer": _name, "consent": _hash}),
    19: ("liaison sync", {"reader": _name, "read": _hash}),
    20: ("witnessed", {"origin": _name, "size": _u64, "root": _hash}),
    21: ("override", {"operator": _name, "what": _hash}),
    22: ("lost", {"incarnation": _from_one, "size": _u64, "root": _hash}),
    23: ("equivocation", {"peer": _name, "accepted": _hash, "shown": _hash}),
    24: ("readmitted", {"peer": _name, "operator": _name}),
    25: (
        "asked",
        {"run": _hash, "peer": _name, "view": _name, "epoch": _u64, "class": _class},
    ),
    26: (
        "probing",
        {
            "peer": _name,
            "view": _name,
            "side": _side,
            "level": _code(range(1, 4)),
            "signal": _code(range(6)),
            "counted": _u64,
            "limit": _u64,
        },
    ),
    27: ("vouched", {"peer": _name, "operator": _name, "until": _u64, "why": _name}),
    28: ("decision", {"decision": _hash, "content": _hash, "operator": _name}),
    29: ("message due", {"message": _hash, "peer": _name, "view": _name, "content": _hash}),
    30: ("message delivered", {"message": _hash, "peer": _name}),
    31: ("message received", {"message": _hash, "peer": _name, "content": _hash}),
}
INCARNATION, CONCLUDED, RESULTS, LOST = 1, 10, 13, 22


@dataclass(frozen=True)
class Record:
    time: int
    nonce: bytes
    kind: int
    fields: dict[str, Value]

    @property
    def name(self) -> str:
        return KINDS[self.kind][0]

    def number(self, field: str) -> int:
        value = self.fields[field]
        assert isinstance(value, int), f"{field} is no number"
        return value

    def shown(self) -> dict[str, int | str]:
        """The fields with hashes in hexadecimal, for people and for JSON."""
        return {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in self.fields.items()
        }


def parse_record(data: bytes) -> Record:
    if len(data) > MAX_BYTES:
        raise malformed(f"a record of {len(data)} bytes")
    reader = Reader(data, CONTEXT)
    time = reader.number(8)
    nonce = reader.take(32)
    kind = reader.number(1)
    if kind not in KINDS:
        raise malformed(f"kind {kind}")
    fields = {name: read(reader) for name, read in KINDS[kind][1].items()}
    reader.end()
    return Record(time, nonce, kind, fields)


def salted(salt: bytes, content: bytes) -> bytes:
    return sha256(context("blindmatch ledger digest v1") + salt + sized(content))
