"""The files that a ledger is handed out in: a proof of one record (spec/42 §5) and a whole ledger
with its checkpoint (§9)."""

import json
import re
from dataclasses import dataclass

from verifier.checkpoints import Checkpoint, LedgerKeys, Quorum, parse_checkpoint
from verifier.checkpoints import verify_quorum, verify_signature
from verifier.encoding import Refused, decimal, hash_of, malformed, unbase64, utf8
from verifier.merkle import leaf_hash, verify_inclusion
from verifier.records import Record, parse_record
from verifier.replay import Replay

SCHEMA = "blindmatch.ledger.v1"
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
    if not separator or len(lines) < 3 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise malformed("no proof of a record")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise malformed("no proof of a record")
    record = unbase64(lines[1].removeprefix("extra "))
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
    if not isinstance(checkpoint, str) or text != wanted:
        raise malformed("line 1 is not that of an exported ledger")
    return parse_checkpoint(checkpoint.encode())


_RECORD = re.compile(rb'\{"index":([0-9]{1,20}),"record":"([A-Za-z0-9+/=]*)"\}')


def verify_export(
    data: bytes,
    keys: LedgerKeys,
    quorum: Quorum | None,
    known: list[Checkpoint],
) -> tuple[Checkpoint, list[Record]]:
    """The checkpoint of an exported ledger and its records, all of which hold."""
    lines = data.split(b"\n")
    checkpoint = parse_export_head(lines[0])
    verify_signature(checkpoint, keys)
    if quorum is not None:
        verify_quorum(checkpoint, quorum)
    for older in known:
        verify_signature(older, keys)
    replay = Replay([checkpoint, *known])
    records = []
    for number, line in enumerate(lines[1:-1]):
        match = _RECORD.fullmatch(line)
        if match is None:
            raise malformed(f"line {number + 2} is no record")
        index, record = decimal(match[1].decode()), unbase64(match[2].decode())
        if index < number:
            raise Refused("repeated", f"record {index} was there before")
        if index > number:
            raise Refused("gap", f"records {number} to {index - 1} are missing")
        if index >= checkpoint.size:
            raise Refused("beyond", f"record {index} is behind the checkpoint")
        records.append(replay.push(record))
    if lines[-1]:
        raise malformed(f"line {len(lines)} does not end")
    replay.end()
    return checkpoint, records
