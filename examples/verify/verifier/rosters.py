"""Rosters (spec/41 §2, §3, §5): who belongs to a consortium, by whose word."""

import functools
import pathlib
from dataclasses import dataclass

from verifier import notes, texts
from verifier.encoding import Refused, context, decimal, malformed, sha256, sized
from verifier.notes import Key, Note
from verifier.texts import Lines, OneUse

HOUR, DAY = 3600, 86400


@dataclass(frozen=True)
class Member:
    name: str
    role: str
    witness: bool
    address: str
    identity: bytes


@dataclass(frozen=True)
class Threshold:
    """How many of some keys have to sign."""

    number: int
    keys: tuple[Key, ...]

    def met(self, note: Note) -> bool:
        signed = notes.signers(note, self.keys)
        return len({key.public for key in signed}) >= self.number


@dataclass(frozen=True)
class Roster:
    note: Note
    consortium: str
    number: int
    previous: bytes | None
    not_before: int
    expires: int
    now: Threshold
    next: Threshold
    quorum: int | None
    members: dict[str, Member]

    @property
    def digest(self) -> bytes:
        return sha256(self.note.text.encode())

    @property
    def fingerprint(self) -> bytes:
        return fingerprint(self.note.text)

    def witnesses(self, owner: str) -> list[str]:
        """The members that witness the ledger of `owner`."""
        return [
            member.name
            for member in self.members.values()
            if member.witness and member.name != owner
        ]

    def witness_quorum(self, owner: str) -> int:
        """How many of them have to cosign."""
        if self.quorum is not None:
            return self.quorum
        return len(self.witnesses(owner)) // 2 + 1


def fingerprint(text: str) -> bytes:
    message = context("blindmatch fingerprint v1") + sized(text.encode())
    return sha256(message)[:16]


@functools.cache
def _words() -> list[str]:
    path = pathlib.Path(__file__).with_name("bip39-english.txt")
    return path.read_text(encoding="ascii").split()


def in_words(entropy: bytes) -> str:
    """Twelve words of BIP-39 for 16 bytes."""
    bits = int.from_bytes(entropy, "big") << 4 | sha256(entropy)[0] >> 4
    return " ".join(_words()[bits >> shift & 2047] for shift in range(121, -1, -11))


def from_words(words: str) -> bytes:
    given = words.lower().split()
    if len(given) != 12:
        raise malformed(f"a fingerprint has 12 words, not {len(given)}")
    bits = 0
    for place, word in enumerate(given, 1):
        if word not in _words():
            raise malformed(f"word {place} of the fingerprint is none of the list")
        bits = bits << 11 | _words().index(word)
    entropy = (bits >> 4).to_bytes(16, "big")
    if in_words(entropy).split() != given:
        raise malformed("the words of the fingerprint fail their checksum")
    return entropy


def parse_roster(data: bytes) -> Roster:
    """Of a note, or of the text alone, which is ASCII: then nobody has signed."""
    bare = data.isascii() and len(data) <= notes.MAX_BYTES
    note = Note(data.decode("ascii"), ()) if bare else notes.parse_note(data)
    lines, once = Lines(note.text, "blindmatch roster v1"), OneUse()
    consortium = lines.field("consortium", texts.name)
    number = lines.field("number", decimal)
    if number == 0:
        raise lines.fault("numbers are from 1", lines.last)
    previous = lines.field("previous", _previous)
    if (previous is None) != (number == 1):
        raise lines.fault("number 1 has no previous, any other has", lines.last)
    not_before = lines.field("not-before", texts.time)
    expires = lines.field("expires", texts.time)
    if not not_before < expires <= not_before + 366 * DAY:
        raise lines.fault("expires within 366 days after not-before", lines.last)
    now = _threshold(lines, once, "signatures", "roster-key")
    later = _threshold(lines, once, "next-signatures", "next-key")
    quorum = lines.field("witness-quorum", _quorum)
    quorum_line = lines.last
    lines.fields("canonicalisation", 64, _canonicalisation, lambda parsed: parsed[0])
    lines.fields("table", 64, _named_digest, lambda parsed: parsed[0])
    lines.fields("exclusions", 64, _named_digest, lambda parsed: parsed[0])
    members = _members(lines, once)
    witnesses = sum(member.witness for member in members.values())
    if quorum is not None and not 1 <= quorum < witnesses:
        raise lines.fault("a quorum that cannot be reached", quorum_line)
    return Roster(
        note, consortium, number, previous, not_before, expires, now, later, quorum, members
    )


def _previous(value: str) -> bytes | None:
    return None if value == "none" else texts.digest(value)


def _quorum(value: str) -> int | None:
    return None if value == "more than half" else decimal(value)


def _canonicalisation(value: str) -> tuple[str, int]:
    kind, _, version = value.partition(" ")
    if not 1 <= len(kind) <= 63 or not set(kind) <= set(
        "abcdefghijklmnopqrstuvwxyz0123456789_"
    ):
        raise malformed("no type")
    if not 1 <= decimal(version) <= 255:
        raise malformed("versions are 1 to 255")
    return kind, decimal(version)


def _named_digest(value: str) -> tuple[str, bytes]:
    name, _, digest = value.partition(" ")
    return texts.name(name), texts.digest(digest)


def _threshold(lines: Lines, once: OneUse, count: str, field: str) -> Threshold:
    needed, of = lines.field(count, _k_of_m)
    line = lines.last
    keys = lines.fields(field, 33, texts.roster_key, lambda key: (key.name + "+", key.hash))
    if len(keys) != of:
        raise lines.fault(f"{len(keys)} lines of {field}, not {of}", line)
    for place, key in enumerate(keys, line + 1):
        once.ed25519(lines, key.public, place)
    return Threshold(needed, tuple(keys))


def _k_of_m(value: str) -> tuple[int, int]:
    needed, separator, of = value.partition(" of ")
    if not separator or not 1 <= decimal(needed) <= decimal(of) <= 32:
        raise malformed("K of M with 1 ≤ K ≤ M ≤ 32")
    return decimal(needed), decimal(of)


def _members(lines: Lines, once: OneUse) -> dict[str, Member]:
    members: dict[str, Member] = {}
    while not lines.done:
        lines.empty()
        if len(members) == 512:
            raise lines.fault("more than 512 members")
        name = lines.field("member", texts.name)
        if members and name <= next(reversed(members)):
            raise lines.fault("members do not ascend", lines.last)
        role = lines.field("role", texts.chosen("provider", "liaison"))
        witness = lines.field("witness", texts.chosen("yes", "no")) == "yes"
        if witness and role == "liaison":
            raise lines.fault("a liaison is no witness", lines.last)
        address = lines.field("address", texts.address)
        identity = lines.field("identity-key", texts.ed25519_key)
        once.ed25519(lines, identity)
        once.x25519(lines, lines.field("hpke-key", texts.x25519_key))
        members[name] = Member(name, role, witness, address, identity)
    return members


def signed_by(roster: Roster) -> list[str]:
    """The roster keys that signed, by their names."""
    return sorted(key.name for key in notes.signers(roster.note, roster.now.keys))


@dataclass(frozen=True)
class Trust:
    """What somebody knows before a roster is shown: a confirmed fingerprint, a roster, neither."""

    confirmed: bytes | None = None
    held: Roster | None = None


def judge(trust: Trust, data: bytes, now: int) -> tuple[Roster, str]:
    """The roster, and by whose word it is taken; refused in the order of spec/41 §5."""
    given = parse_roster(data)
    held = trust.held
    if held is not None:
        if given.consortium != held.consortium:
            raise Refused("other consortium", f"{given.consortium}, not {held.consortium}")
        if given.number < held.number:
            raise Refused("older", f"number {given.number}, behind {held.number}")
        if given.note.text == held.note.text and _carries_its_own(given):
            return given, "held"
    confirmed = trust.confirmed == given.fingerprint
    if held is None and not confirmed:
        if trust.confirmed is None:
            raise Refused(
                "not trusted", "neither a roster nor a fingerprint to hold it against"
            )
        raise Refused("other fingerprint", f"it is {in_words(given.fingerprint)}")
    if not given.now.met(given.note):
        raise Refused("too few signatures", "of its own keys")
    by = "fingerprint" if held is None or confirmed else _followed(held, given)
    if held is not None:
        if given.number == held.number:
            raise Refused("fork", f"another roster of number {given.number}")
        next_one = given.number == held.number + 1
        if next_one and given.previous != held.digest and not confirmed:
            raise Refused("fork", "it goes on from another roster")
    if given.not_before > now + HOUR:
        raise Refused("not yet valid", f"before {texts.shown_time(given.not_before)}")
    if given.expires <= now:
        raise Refused("expired", f"at {texts.shown_time(given.expires)}")
    return given, by


def _carries_its_own(roster: Roster) -> bool:
    try:
        return roster.now.met(roster.note)
    except Refused:
        return False


def _followed(held: Roster, given: Roster) -> str:
    both = Threshold(1, held.now.keys + held.next.keys)
    both.met(given.note)
    if held.now.met(given.note):
        return "keys"
    if held.next.met(given.note):
        return "next keys"
    if given.number > held.number + 1:
        raise Refused("gap", f"from number {held.number} to {given.number}")
    raise Refused("too few signatures", "of the keys of the roster before")
