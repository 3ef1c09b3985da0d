"""Signed notes and their keys: C2SP signed-note, with the additions of spec/40 §2."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from verifier import ed25519
from verifier.encoding import Refused, malformed, sha256, unbase64, utf8

MAX_BYTES = 1 << 20
MAX_SIGNATURES = 100
ED25519 = 1
COSIGNATURE = 4
# Unicode's White_Space and control characters (category Cc), and the plus sign.
_NOT_IN_NAMES = re.compile(
    "[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]"
)


def is_name(name: str) -> bool:
    return name != "" and not _NOT_IN_NAMES.search(name)


@dataclass(frozen=True)
class Key:
    """A public key under a name, as a note's signatures point to it."""

    name: str
    kind: int
    public: bytes

    @property
    def hash(self) -> bytes:
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return sha256(named)[:4]


def parse_key(text: str, kind: int = ED25519) -> Key:
    """`NAME+HASH+BASE64`."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_name(parts[0]):
        raise malformed("a key is NAME+HASH+BASE64")
    material = unbase64(parts[2])
    if len(material) != 33 or material[0] != kind:
        raise malformed(f"a key of type {kind} has 33 bytes, the first of them {kind}")
    key = Key(parts[0], kind, material[1:])
    if not ed25519.is_point(key.public):
        raise malformed(f"the key of {key.name} is no point, or one of small order")
    if parts[1] != key.hash.hex():
        raise malformed(f"the hash of the key of {key.name} is another")
    return key


@dataclass(frozen=True)
class Signature:
    name: str
    key_hash: bytes
    body: bytes


@dataclass(frozen=True)
class Note:
    text: str
    signatures: tuple[Signature, ...]


def parse_note(data: bytes) -> Note:
    if len(data) > MAX_BYTES:
        raise malformed("a note of more than 1 MiB")
    note = utf8(data)
    if re.search("[\x00-\x09\x0b-\x1f]", note):
        raise malformed("a control character in a note")
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise malformed("no signatures behind an empty line")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise malformed(f"more than {MAX_SIGNATURES} signatures")
    return Note(text + "\n", signatures)


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not is_name(parts[1]):
        raise malformed("a line behind the empty one is no signature")
    blob = unbase64(parts[2])
    if len(blob) < 5:
        raise malformed("a signature of no bytes")
    return Signature(parts[1], blob[:4], blob[4:])


Check = Callable[[Key, str, bytes], bool]


def signed_plainly(key: Key, text: str, body: bytes) -> bool:
    return ed25519.verifies(key.public, text.encode(), body)


def signers(note: Note, keys: Iterable[Key], check: Check = signed_plainly) -> set[Key]:
    """The known keys that signed. One of a known key that does not hold refuses the note."""
    known = {(key.name, key.hash): key for key in keys}
    found = set()
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_hash))
        if key is None:
            continue
        if not check(key, note.text, signature.body):
            raise Refused("signature", f"the signature of {key.name} does not hold")
        found.add(key)
    return found
