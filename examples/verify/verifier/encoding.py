"""The encoding of spec/00: one value has one encoding, anything else is refused."""

import base64
import binascii
import hashlib
import re

U64_MAX = 2**64 - 1


class Refused(Exception):
    """Why something does not hold: a word that programs compare, and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def malformed(detail: str) -> Refused:
    return Refused("malformed", detail)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def u8(number: int) -> bytes:
    return number.to_bytes(1, "big")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def sized(data: bytes) -> bytes:
    """`bytes(x)` of the notation."""
    return u32(len(data)) + data


def context(name: str) -> bytes:
    return u8(len(name)) + name.encode("ascii")


class Reader:
    """Reads one message from its first byte to its last."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        if self.take(min(len(context(name)), len(data))) != context(name):
            raise malformed(f"does not begin as `{name}`")

    def take(self, length: int) -> bytes:
        if len(self._data) - self._at < length:
            raise malformed(f"ends at byte {len(self._data)}, within a field")
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def sized(self, limit: int) -> bytes:
        length = self.number(4)
        if length > limit:
            raise malformed(f"a field of {length} bytes, more than {limit}")
        return self.take(length)

    def end(self) -> None:
        if self._at != len(self._data):
            raise malformed(f"{len(self._data) - self._at} bytes behind the last field")


def decimal(text: str) -> int:
    """A number of at most 64 bits, without sign or leading zeros."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII) or int(text) > U64_MAX:
        raise malformed(f"`{text[:40]}` is no number in decimal")
    return int(text)


def unbase64(text: str) -> bytes:
    """Padded base64 without bits behind its end (spec/40 §2)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise malformed("no base64") from None
    if base64.b64encode(data).decode() != text:
        raise malformed("base64 that is not canonical")
    return data


def hash_of(text: str) -> bytes:
    data = unbase64(text)
    if len(data) != 32:
        raise malformed(f"a hash of {len(data)} bytes")
    return data


def utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("no UTF-8") from None
