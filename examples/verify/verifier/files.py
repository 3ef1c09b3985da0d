"""The files that a ledger is handed out in: a proof of one record (spec/42 §5) and a whole ledger
with its checkpoint (§8)."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from verifier.checkpoints import Checkpoint, LedgerKeys, Quorum, parse_checkpoint
from verifier.checkpoints import verify_quorum, verify_signature
from verifier.encoding import Refused, decimal, hash_of, malformed, unbase64, utf8
from verifier.merkle import leaf_hash, verify_inclusion
from verifier.records import Record, parse_record
from verifier.replay import Replay

SCHEMA = "blindmatch.ledger.v1"
MAX_BYTES = 1 << 20
MAX_EXTRA = 1024
MAX_HASHES = 64


@dataclass(frozen=True)
class Proof:
    record: bytes
    index: int
    hashes: list[bytes]
    checkpoint: Checkpoint


def parse_proof(data: bytes) -> Proof:
    head, separator, rest = data.partition(b"\n\n")
    lines = utf8(head).split("\n")
    if (
        not separator
        or len(data) > MAX_BYTES
        or len(lines) < 3
        or lines[0] != "c2sp.org/tlog-proof@v1"
    ):
        raise malformed("no proof of a record")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise malformed("no proof of a record")
    record = unbase64(lines[1].removeprefix("extra "))
    if len(record) > MAX_EXTRA:
        raise malformed(f"a record of {len(record)} bytes")
    index = decimal(lines[2].removeprefix("index "))
    if len(lines) - 3 > MAX_HASHES:
        raise malformed(f"more than {MAX_HASHES} hashes")
    hashes = [hash_of(line) for line in lines[3:]]
    return Proof(record, index, hashes, parse_checkpoint(rest))


def verify_proof(proof: Proof, keys: LedgerKeys, quorum: Quorum | None) -> Record:
    checkpoint = proof.checkpoint
    verify_signature(checkpoint, keys)
    if quorum is not None:
        verify_quorum(checkpoint, quorum)
    leaf = leaf_hash(proof.record)
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return parse_record(proof.record)


def parse_export_head(line: bytes) -> Checkpoint:
    """The first line of an exported ledger."""
    if len(line) > MAX_BYTES:
        raise malformed("line 1 is too long")
    text = utf8(line)
    try:
        checkpoint = json.loads(text)["checkpoint"]
        wanted = json.dumps(
            {"schema": SCHEMA, "checkpoint": checkpoint},
            ensure_ascii=False,
            separators=(",", ":"),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise malformed("line 1 is not that of an exported ledger") from None
    if not isinstance(checkpoint, str) or text != wanted + "\n":
        raise malformed("line 1 is not that of an exported ledger")
    return parse_checkpoint(checkpoint.encode())


_RECORD = re.compile(rb'\{"index":([0-9]{1,20}),"record":"([A-Za-z0-9+/=]*)"\}\n')
Look = Callable[[int, Record], None]


def verify_export(
    lines: Iterable[bytes], keys: LedgerKeys, quorum: Quorum | None, known: list[Checkpoint]
) -> None:
    """An exported ledger, line by line. The signatures of `known` were verified."""
    rest = iter(lines)
    checkpoint = parse_export_head(next(rest, b""))
    verify_signature(checkpoint, keys)
    if quorum is not None:
        verify_quorum(checkpoint, quorum)
    verify_records(checkpoint, rest, known, lambda index, record: None)


def verify_records(
    checkpoint: Checkpoint, lines: Iterable[bytes], known: list[Checkpoint], look: Look
) -> None:
    """The lines behind the first. `look` sees each record before it is known that all hold."""
    for older in known:
        _not_behind(checkpoint, older)
    replay = Replay([checkpoint, *known])
    for number, line in enumerate(lines, 2):
        index, data = _parse_line(line, number)
        if index >= checkpoint.size:
            raise malformed(f"line {number} is behind the checkpoint")
        look(index, replay.push(index, data))
    replay.end()


def _parse_line(line: bytes, number: int) -> tuple[int, bytes]:
    match = _RECORD.fullmatch(line)
    if match is None:
        raise malformed(f"line {number} is no record")
    index, record = decimal(match[1].decode()), unbase64(match[2].decode())
    if len(record) > MAX_EXTRA:
        raise malformed(f"line {number} is too long for a record")
    return index, record


def _not_behind(checkpoint: Checkpoint, older: Checkpoint) -> None:
    """What two checkpoints say without the records (spec/42 §3)."""
    if checkpoint.incarnation < older.incarnation:
        raise Refused("superseded", f"by incarnation {older.incarnation}, which is known")
    if checkpoint.incarnation == older.incarnation:
        if checkpoint.size < older.size:
            raise Refused("rollback", f"from {older.size} records, which are known")
        if checkpoint.size == older.size and checkpoint.root != older.root:
            raise Refused("fork", f"two roots of {older.size} records")
