"""Changes of files: of bytes, of lines, and of what the lines mean."""

import base64
import json
import random
import re
from collections.abc import Callable

Mutation = Callable[[random.Random, bytes], bytes]
DASH = "\u2014 "


def flip(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :]


def behind(start: int, mutation: Mutation) -> Mutation:
    """The mutation of what stands behind the first bytes."""

    def mutate(source: random.Random, data: bytes) -> bytes:
        return data[:start] + (mutation(source, data[start:]) if data[start:] else b"\0")

    return mutate


def replace_byte(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + source.randbytes(1) + data[at + 1 :]


def replace_letter(source: random.Random, data: bytes) -> bytes:
    """A letter of base64 or a digit by another: what looks most like what stood there."""
    places = [at for at, byte in enumerate(data) if chr(byte).isalnum() and byte < 128]
    if not places:
        return replace_byte(source, data)
    at = source.choice(places)
    letters = b"0123456789" if chr(data[at]).isdigit() else b"abcdefABCDEFxyzXYZ0189"
    return data[:at] + bytes([source.choice(letters)]) + data[at + 1 :]


def insert(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return (
        data[:at] + source.choice([source.randbytes(1), b"\n", b" ", b"\r", b"0"]) + data[at:]
    )


def remove(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + data[at + 1 :]


def truncate(source: random.Random, data: bytes) -> bytes:
    return data[: source.randrange(len(data))]


def cut(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + data[at + source.randint(1, 80) :]


def repeat(source: random.Random, data: bytes) -> bytes:
    at, to = source.randrange(len(data)), source.randrange(len(data))
    return data[:to] + data[at : at + source.randint(1, 80)] + data[to:]


def append(source: random.Random, data: bytes) -> bytes:
    return data + source.choice([b"\n", b" ", b"\0", source.randbytes(source.randint(1, 64))])


BYTES: list[Mutation] = [
    flip,
    flip,
    replace_byte,
    replace_letter,
    replace_letter,
    insert,
    remove,
    truncate,
    cut,
    repeat,
    append,
]


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def remove_line(source: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    del lines[source.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(source: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    lines.insert(source.randrange(len(lines) + 1), source.choice(lines))
    return b"".join(lines)


def swap_lines(source: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    a, b = source.randrange(len(lines)), source.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def empty_line(source: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    lines.insert(source.randrange(len(lines) + 1), b"\n")
    return b"".join(lines)


LINES: list[Mutation] = [remove_line, repeat_line, swap_lines, empty_line]


def field_of(other: bytes) -> Mutation:
    """Puts a value of another file of the kind, or of another line of this one, in a line."""

    def mutate(source: random.Random, data: bytes) -> bytes:
        lines = _lines(data)
        at = source.randrange(len(lines))
        name = lines[at].partition(b": ")[0]
        donors = [line for line in _lines(data + other) if line.partition(b": ")[0] == name]
        if not donors or source.random() < 0.3:
            donors = [line for line in _lines(data) if b": " in line]
        if b": " in lines[at] and donors:
            lines[at] = name + b": " + source.choice(donors).partition(b": ")[2]
        elif donors:
            lines[at] = source.choice(donors)
        return b"".join(lines)

    return mutate


def number_in_line(source: random.Random, data: bytes) -> bytes:
    """A number by one near it, or of another form."""
    found = list(re.finditer(rb"(?<![A-Za-z0-9+/=])[0-9]+(?![A-Za-z0-9+/=])", data))
    if not found:
        return flip(source, data)
    match = source.choice(found)
    number = int(match[0])
    new = source.choice(
        [
            number + 1,
            max(number - 1, 0),
            number * 2,
            0,
            2**64 - 1,
            2**64,
            f"0{number}",
            f"+{number}",
        ]
    )
    return data[: match.start()] + str(new).encode() + data[match.end() :]


class Signatures:
    """Changes of the signature lines of a note, some of which change nothing that counts."""

    def __init__(self, known: list[str]) -> None:
        """`known`: keys whose signatures are looked at, NAME+HASH+BASE64."""
        self._known = [key.split("+")[:2] for key in known]

    def __call__(self, source: random.Random, data: bytes) -> bytes:
        text, lines = self._split(data)
        choice = source.randrange(6)
        place = source.randrange(len(lines) + 1)
        if choice == 0:
            lines.insert(
                place, self._line("stranger.example/" + str(place), source.randbytes(4), source)
            )
        elif choice == 1:
            lines.insert(place, source.choice(lines))
        elif choice == 2:
            source.shuffle(lines)
        elif choice == 3:
            del lines[min(place, len(lines) - 1)]
        elif choice == 4:
            name, key_hash = source.choice(self._known)
            lines.insert(place, self._line(name, bytes.fromhex(key_hash), source))
        else:
            name, _ = source.choice(self._known)
            lines.insert(place, self._line(name, source.randbytes(4), source))
        return (text + "\n\n" + "".join(lines)).encode()

    def _split(self, data: bytes) -> tuple[str, list[str]]:
        text, _, lines = data.decode().rpartition("\n\n")
        return text, lines.splitlines(keepends=True)

    def _line(self, name: str, key_hash: bytes, source: random.Random) -> str:
        body = source.randbytes(source.choice([1, 64, 72, 73]))
        return f"{DASH}{name} {base64.b64encode(key_hash + body).decode()}\n"


def changes_nothing(
    original: bytes, changed: bytes, known: list[str], needed: list[set[str]]
) -> bool:
    """Whether a note that was changed says the same, by spec/40 §2 and spec/42 §4.

    The text is the same, each line that is new is the signature of an unknown key, and of those that
    were there enough are left: of each set of names that is `needed` one, another one each time.
    """
    try:
        text, separator, lines = changed.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        return False
    before, _, original_lines = original.decode().rpartition("\n\n")
    if text != before or not separator or not lines.endswith("\n"):
        return False
    ids = {tuple(key.split("+")[:2]) for key in known}
    kept = set()
    if len(lines[:-1].split("\n")) > 100:
        return False
    for line in lines[:-1].split("\n"):
        if line + "\n" in original_lines.splitlines(keepends=True):
            kept.add(line.split(" ")[1])
        elif not _stranger(line, ids):
            return False
    left = set(kept)
    for names in needed:
        found = sorted(names & left)
        if not found:
            return False
        left.discard(found[0])
    return True


def _stranger(line: str, known: set[tuple[str, ...]]) -> bool:
    """A signature line, well formed, of a key that nobody looks at."""
    match = re.fullmatch("\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})", line)
    if match is None or re.search(r"[\s\x00-\x20\x7f-\xa0+]", match[1]):
        return False
    try:
        body = base64.b64decode(match[2], validate=True)
    except ValueError:
        return False
    canonical = base64.b64encode(body).decode() == match[2]
    return canonical and len(body) > 4 and (match[1], body[:4].hex()) not in known


class Records:
    """Changes of an exported ledger: of its records, their order, their numbers, its checkpoint."""

    def __init__(self, others: list[bytes], signatures: Signatures) -> None:
        self._others = others
        self._signatures = signatures

    def __call__(self, source: random.Random, data: bytes) -> bytes:
        head, *records = [json.loads(line) for line in data.splitlines()]
        at, to = source.randrange(len(records)), source.randrange(len(records))
        choice = source.randrange(10)
        if choice == 0:
            records[at]["record"], records[to]["record"] = (
                records[to]["record"],
                records[at]["record"],
            )
        elif choice == 1:
            del records[at]
            self._renumber(records)
        elif choice == 2:
            records.insert(to, dict(records[at]))
            self._renumber(records)
        elif choice == 3:
            records[at], records[to] = records[to], records[at]
        elif choice in (4, 5):
            content = bytearray(base64.b64decode(records[at]["record"]))
            place = source.randrange(len(content))
            content[place] ^= 1 << source.randrange(8)
            records[at]["record"] = base64.b64encode(content).decode()
        elif choice == 6:
            other = source.choice(self._others).splitlines()
            records[at]["record"] = json.loads(source.choice(other[1:]))["record"]
        elif choice == 7:
            records[at]["index"] = source.choice(
                [to, at + 1, 2**64, -1, 0.5, str(at), None, True]
            )
        elif choice == 8:
            note = head["checkpoint"].encode()
            change = source.choice([self._signatures, *BYTES, *LINES, number_in_line])
            head["checkpoint"] = change(source, note).decode("utf-8", "replace")
        else:
            return self._other_form(source, [head, *records], data)
        return self._written([head, *records])

    def _other_form(self, source: random.Random, lines: list[dict], data: bytes) -> bytes:
        """The same, as JSON sees it; or one field more or less."""
        at = source.randrange(len(lines))
        raw = data.splitlines(keepends=True)
        line = dict(lines[at])
        choice = source.randrange(7)
        if choice == 0:
            raw[at] = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        elif choice == 1:
            raw[at] = self._written([dict(reversed(line.items()))])
        elif choice == 2:
            raw[at] = raw[at].replace(b"\n", b"\r\n")
        elif choice == 3:
            raw[at] = raw[at].replace(b"r", b"\\u0072", 1)
        elif choice == 4:
            raw[at] = self._written([{**line, "more": 1}])
        elif choice == 5:
            line.pop(source.choice(list(line)))
            raw[at] = self._written([line])
        else:
            raw[-1] = raw[-1].rstrip(b"\n")
        return b"".join(raw)

    def _renumber(self, records: list[dict]) -> None:
        for index, record in enumerate(records):
            record["index"] = index

    def _written(self, lines: list[dict]) -> bytes:
        dumped = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
        return "".join(line + "\n" for line in dumped).encode("utf-8", "replace")
