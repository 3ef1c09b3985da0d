"""What `test.sh` made: the home of a demonstration, and the programs that wrote it."""

import base64
import functools
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Any

MEMBERS = ("cloud", "hosting", "payments")


def is_made() -> bool:
    return "VERIFY_DEMO" in os.environ


def needs_demo(test):
    why = "run examples/verify/test.sh, which makes a demonstration"
    return unittest.skipUnless(is_made(), why)(test)


def folder() -> pathlib.Path:
    return pathlib.Path(os.environ["VERIFY_DEMO"])


def blindmatch(member: str, *arguments: str) -> str:
    home = folder() / "nodes" / member
    command = [os.environ["VERIFY_BLINDMATCH"], "--quiet", "--home", str(home), *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


@functools.cache
def exported(member: str) -> bytes:
    return (folder() / "ledgers" / f"{member}.ledger").read_bytes()


@functools.cache
def roster() -> bytes:
    return (folder() / "administrators" / "roster.txt").read_bytes()


@functools.cache
def delegation(member: str) -> bytes:
    return blindmatch(member, "roster", "delegation").encode()


@functools.cache
def witnesses(member: str) -> dict[str, Any]:
    return json.loads(blindmatch(member, "roster", "witnesses", "--output", "json"))


@functools.cache
def proof(member: str, record: int) -> bytes:
    with tempfile.TemporaryDirectory() as made:
        path = pathlib.Path(made) / "proof"
        blindmatch(member, "ledger", "proof", str(record), str(path))
        return path.read_bytes()


class Judge:
    """The verifier in Rust, kept running."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [os.environ["VERIFY_JUDGE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def refused(self, question: dict[str, Any], file: bytes) -> tuple[str | None, str]:
        """The reason, and a sentence; no reason where it holds."""
        assert self._process.stdin and self._process.stdout
        whole = {**question, "file": encoded(file)}
        self._process.stdin.write(json.dumps(whole).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["refused"], answer["detail"] or ""

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
