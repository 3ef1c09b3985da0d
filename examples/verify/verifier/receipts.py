"""Receipts of runs (spec/40 §3, §4)."""

import re
from dataclasses import dataclass

from verifier import ed25519
from verifier.encoding import Reader, Refused, context, malformed, sized, u8, utf8
from verifier.records import CONCLUDED, Record, salted

_IDENTITY = re.compile(r"blindmatch://([a-z0-9.-]+)/([a-z0-9.-]+)")
SIDES = ("querier", "responder")


@dataclass(frozen=True)
class Input:
    commitment: bytes
    size_class: int


@dataclass(frozen=True)
class Receipt:
    message: bytes
    run: bytes
    identities: tuple[bytes, bytes]
    inputs: tuple[Input, Input]
    transcript: bytes


@dataclass(frozen=True)
class SignedReceipt:
    stored: bytes
    receipt: Receipt
    signatures: tuple[bytes, ...]

    def is_recorded(self, record: Record) -> bool:
        """Whether a record says that this very receipt was stored."""
        return (
            record.kind == CONCLUDED
            and record.fields["run"] == self.receipt.run
            and record.fields["receipt"] == salted(record.nonce, self.stored)
        )


def member_of(identity: bytes) -> tuple[str, str]:
    """Consortium and member of an identity `blindmatch://CONSORTIUM/MEMBER` (spec/41 §7)."""
    match = _IDENTITY.fullmatch(utf8(identity))
    if match is None:
        raise malformed("a side is no identity of a member")
    return match[1], match[2]


def parse_receipt(message: bytes) -> Receipt:
    reader = Reader(message, "blindmatch receipt v1")
    run = reader.take(32)
    identities = (reader.sized(255), reader.sized(255))
    inputs = (_input(reader), _input(reader))
    transcript = reader.take(32)
    reader.end()
    return Receipt(message, run, identities, inputs, transcript)


def _input(reader: Reader) -> Input:
    return Input(reader.take(32), reader.number(8))


def parse_signed(stored: bytes) -> SignedReceipt:
    reader = Reader(stored, "blindmatch signed receipt v1")
    receipt = parse_receipt(reader.sized(1024))
    count = reader.number(1)
    if count not in (1, 2):
        raise malformed(f"{count} signatures")
    signatures = tuple(reader.take(64) for _ in range(count))
    reader.end()
    return SignedReceipt(stored, receipt, signatures)


def verify_side(signed: SignedReceipt, side: int, keys: list[bytes]) -> None:
    """Signed by this side, 0 for the querier and 1 for the responder, with one of these keys."""
    if side >= len(signed.signatures):
        raise Refused("unsigned", f"the {SIDES[side]} has not signed")
    message = (
        context("blindmatch receipt signature v1") + u8(side) + sized(signed.receipt.message)
    )
    if not any(ed25519.verifies(key, message, signed.signatures[side]) for key in keys):
        raise Refused("signature", f"the signature of the {SIDES[side]} does not hold")
