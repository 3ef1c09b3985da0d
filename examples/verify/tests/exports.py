"""Exported ledgers to be changed, and when a change of one changes nothing."""

import json
from collections.abc import Callable
from typing import Any

from tests import demo, mutations
from tests.vectors import load, unhex
from verifier import files


def same_export(
    original: bytes, known: list[str], needed: list[set[str]]
) -> Callable[[bytes], bool]:
    """The note in the first line is one that says the same, in its form; the rest is as it was."""
    before = json.loads(original.split(b"\n")[0])["checkpoint"]

    def same(changed: bytes) -> bool:
        try:
            text = changed.decode()
            note = json.loads(text.split("\n")[0])["checkpoint"]
            written = original.decode().replace(
                json.dumps(before, ensure_ascii=False), json.dumps(note, ensure_ascii=False), 1
            )
            return written == text and mutations.changes_nothing(
                before.encode(), note.encode(), known, needed
            )
        except (ValueError, KeyError, TypeError):
            return False

    return same


def of_vectors() -> bytes:
    """The ledger of the vectors, which was restored and names what it lost."""
    vectors = load("ledger")
    head = {"schema": files.SCHEMA, "checkpoint": vectors["cosigned_checkpoint"]}
    records = [demo.encoded(unhex(record["bytes"])) for record in vectors["records"]]
    lines: list[dict[str, Any]] = [head]
    lines += [{"index": index, "record": record} for index, record in enumerate(records)]
    return b"".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for line in lines
    )


def unsigned_checkpoint(incarnation: int, size: int, root: bytes) -> bytes:
    """A checkpoint of the ledger of the vectors, under a signature of nobody."""
    text = f"{load('ledger')['ledger']}/{incarnation}\n{size}\n{demo.encoded(root)}\n"
    return f"{text}\n\u2014 nobody AAAAAAA=\n".encode()
