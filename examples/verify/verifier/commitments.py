"""Openings of one row of a commitment to matches (spec/40 §5)."""

from dataclasses import dataclass

from verifier.encoding import Reader, context, malformed, sized
from verifier.merkle import leaf_hash, verify_inclusion

MAX_HASHES = 64


@dataclass(frozen=True)
class Opening:
    index: int
    leaves: int
    salt: bytes
    proof: list[bytes]


def parse_opening(data: bytes) -> Opening:
    reader = Reader(data, "blindmatch result opening v1")
    index, leaves, salt = reader.number(8), reader.number(8), reader.take(32)
    count = reader.number(1)
    if count > MAX_HASHES:
        raise malformed(f"a proof of {count} hashes")
    proof = [reader.take(32) for _ in range(count)]
    reader.end()
    return Opening(index, leaves, salt, proof)


def verify_opening(opening: Opening, row: bytes, root: bytes) -> None:
    """This row was committed to by this root."""
    if not row:
        raise malformed("an empty row is nobody's match")
    leaf = context("blindmatch result leaf v1") + opening.salt + sized(row)
    verify_inclusion(leaf_hash(leaf), opening.index, opening.leaves, opening.proof, root)
