"""How one checkpoint goes on from another: the requests of spec/42 §6, which hold the proof."""

import re
from dataclasses import dataclass

from verifier.checkpoints import Checkpoint, LedgerKeys, parse_checkpoint, verify_signature
from verifier.encoding import Refused, decimal, hash_of, malformed, unbase64, utf8
from verifier.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from verifier.records import LOST, parse_record

MAX_HASHES = 63


@dataclass(frozen=True)
class Lost:
    index: int
    record: bytes


@dataclass(frozen=True)
class Growth:
    old_size: int
    old_incarnation: int | None
    lost: Lost | None
    hashes: list[bytes]
    checkpoint: Checkpoint


def parse_growth(data: bytes) -> Growth:
    head, separator, rest = data.partition(b"\n\n")
    lines = utf8(head).split("\n")
    if not separator or not lines[0].startswith("old "):
        raise malformed("no request to cosign")
    old_size = decimal(lines.pop(0).removeprefix("old "))
    incarnation = None
    if lines and lines[0].startswith("incarnation "):
        incarnation = decimal(lines.pop(0).removeprefix("incarnation "))
    lost = None
    if lines and (match := re.fullmatch(r"lost (\S+) (\S+)", lines[0])):
        lost = Lost(decimal(match[1]), unbase64(match[2]))
        lines.pop(0)
    if len(lines) > MAX_HASHES:
        raise malformed(f"more than {MAX_HASHES} hashes")
    hashes = [hash_of(line) for line in lines]
    checkpoint = parse_checkpoint(rest)
    if incarnation is None and lost is not None:
        raise malformed("a loss within one incarnation")
    if incarnation is not None and not 1 <= incarnation < checkpoint.incarnation:
        raise malformed("an old incarnation that is no earlier one")
    return Growth(old_size, incarnation, lost, hashes, checkpoint)


def verify_growth(growth: Growth, older: tuple[int, int, bytes], keys: LedgerKeys) -> None:
    """That the checkpoint goes on from the older one: (incarnation, size, root)."""
    checkpoint = growth.checkpoint
    verify_signature(checkpoint, keys)
    if growth.old_incarnation is None and growth.old_size > checkpoint.size:
        raise malformed("an old size above that of the checkpoint")
    incarnation, size, root = older
    old_incarnation = growth.old_incarnation or checkpoint.incarnation
    if growth.old_size != size or (size and old_incarnation != incarnation):
        raise Refused("other", "the proof is from another checkpoint than the older one")
    if growth.lost is not None:
        _named(growth.lost, growth.hashes, checkpoint, older)
    elif old_incarnation < checkpoint.incarnation and size and size >= checkpoint.size:
        raise Refused("consistency", "an incarnation begins with a record of its own")
    else:
        before = EMPTY_ROOT if size == 0 else root
        verify_consistency(size, before, checkpoint.size, checkpoint.root, growth.hashes)


def _named(
    lost: Lost, hashes: list[bytes], checkpoint: Checkpoint, older: tuple[int, int, bytes]
) -> None:
    leaf = leaf_hash(lost.record)
    verify_inclusion(leaf, lost.index, checkpoint.size, hashes, checkpoint.root)
    record = parse_record(lost.record)
    named = tuple(record.fields.values())
    if record.kind != LOST or named != older:
        raise Refused("consistency", "the record names another state as lost")
