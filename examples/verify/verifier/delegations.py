"""Cards and delegations (spec/41 §4, §6): which keys a member uses, signed by its identity."""

from dataclasses import dataclass

from verifier import notes, texts
from verifier.checkpoints import LedgerKeys, Quorum, ledger_name, parse_quorum, witness_name
from verifier.encoding import Refused, decimal, malformed, sha256
from verifier.notes import COSIGNATURE, ED25519, Key, Note
from verifier.rosters import DAY, HOUR, Member, Roster
from verifier.texts import Lines, OneUse

MAX_BYTES = 4096
# What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
_SPKI = bytes.fromhex("302a300506032b6570032100")


@dataclass(frozen=True)
class Delegation:
    note: Note
    consortium: str
    member: str
    number: int
    first_valid: int
    not_before: int
    expires: int
    identity: bytes
    receipts: bytes
    checkpoints: bytes

    @property
    def digest(self) -> bytes:
        return sha256(self.note.text.encode())

    def counts(self, roster: Roster, now: int) -> None:
        """Refused unless it counts at this time (§6.1)."""
        if self.consortium != roster.consortium:
            raise Refused("other consortium", f"{self.consortium}, not {roster.consortium}")
        member = roster.members.get(self.member)
        if member is None:
            raise Refused("unknown member", f"the roster has no {self.member}")
        if member.identity != self.identity:
            raise Refused("other identity", f"the roster gives {self.member} another")
        if now < self.not_before - HOUR:
            raise Refused("not yet valid", f"before {texts.shown_time(self.not_before)}")
        if now >= self.expires:
            raise Refused("expired", f"at {texts.shown_time(self.expires)}")


def parse_delegation(data: bytes) -> Delegation:
    if len(data) > MAX_BYTES:
        raise malformed(f"a delegation of more than {MAX_BYTES} bytes")
    note = notes.parse_note(data)
    lines, once = Lines(note.text, "blindmatch delegation v1"), OneUse()
    consortium = lines.field("consortium", texts.name)
    member = lines.field("member", texts.name)
    number = lines.field("number", decimal)
    first_valid = lines.field("first-valid", decimal)
    if not 1 <= first_valid <= number:
        raise lines.fault("first-valid is from 1 to the number", lines.last)
    not_before = lines.field("not-before", texts.time)
    expires = lines.field("expires", texts.time)
    if not not_before < expires <= not_before + 30 * DAY:
        raise lines.fault("expires within 30 days after not-before", lines.last)
    identity = lines.field("identity-key", texts.ed25519_key)
    tls = lines.field("tls-key", texts.digest)
    tls_line = lines.last
    once.ed25519(lines, identity)
    receipts = lines.field("receipt-key", texts.ed25519_key)
    once.ed25519(lines, receipts)
    checkpoints = lines.field("checkpoint-key", texts.ed25519_key)
    once.ed25519(lines, checkpoints)
    once.x25519(lines, lines.field("hpke-key", texts.x25519_key))
    lines.end()
    signing = (identity, receipts, checkpoints)
    if tls in {sha256(_SPKI + key) for key in signing}:
        raise lines.fault("the TLS key is one of the others", tls_line)
    _signed_by_all(note, member, signing)
    return Delegation(
        note,
        consortium,
        member,
        number,
        first_valid,
        not_before,
        expires,
        identity,
        receipts,
        checkpoints,
    )


@dataclass(frozen=True)
class Card:
    member: str
    role: str
    address: str
    identity: bytes
    text: str

    def is_of(self, member: Member) -> bool:
        """Whether the roster has taken over what the card says, but for the HPKE key."""
        ours = (self.member, self.role, self.address, self.identity)
        return ours == (member.name, member.role, member.address, member.identity)


def parse_card(data: bytes) -> Card:
    note = notes.parse_note(data)
    lines, once = Lines(note.text, "blindmatch card v1"), OneUse()
    member = lines.field("member", texts.name)
    role = lines.field("role", texts.chosen("provider", "liaison"))
    address = lines.field("address", texts.address)
    identity = lines.field("identity-key", texts.ed25519_key)
    once.ed25519(lines, identity)
    once.x25519(lines, lines.field("hpke-key", texts.x25519_key))
    lines.end()
    _signed_by_all(note, member, (identity,))
    return Card(member, role, address, identity, note.text)


def _signed_by_all(note: Note, name: str, publics: tuple[bytes, ...]) -> None:
    signed = notes.signers(note, [Key(name, ED25519, public) for public in publics])
    if len(signed) < len(publics):
        raise Refused("unsigned", f"{len(signed)} of {len(publics)} signatures under {name}")


def unrevoked(found: list[Delegation]) -> list[Delegation]:
    """Without those that another of the same member revokes (§6.2); refused where two contradict."""
    first_valid: dict[str, int] = {}
    digests: dict[tuple[str, int], bytes] = {}
    for each in found:
        first_valid[each.member] = max(each.first_valid, first_valid.get(each.member, 0))
        if digests.setdefault((each.member, each.number), each.digest) != each.digest:
            raise Refused("fork", f"two delegations of {each.member} are number {each.number}")
    return [each for each in found if each.number >= first_valid[each.member]]


def ledger_keys(roster: Roster, owner: str, delegations: list[Delegation]) -> LedgerKeys:
    """The keys that sign the ledger of `owner`."""
    ledger = ledger_name(roster.consortium, owner)
    publics = frozenset(each.checkpoints for each in delegations if each.member == owner)
    if not publics:
        raise Refused("no key", f"no delegation of {owner} counts")
    return LedgerKeys(ledger, publics)


def quorum(roster: Roster, owner: str, delegations: list[Delegation]) -> Quorum:
    """The witnesses of the ledger of `owner`, with the keys that are known (spec/41 §8)."""
    witnesses = roster.witnesses(owner)
    named: dict[bytes, str] = {}
    for each in sorted(delegations, key=lambda delegation: delegation.member):
        if each.member in witnesses:
            named.setdefault(each.checkpoints, witness_name(roster.consortium, each.member))
    keys = [Key(name, COSIGNATURE, public) for public, name in named.items()]
    needed = roster.witness_quorum(owner)
    known = {key.name for key in keys}
    if len(known) < needed:
        raise Refused("quorum", f"delegations of {len(known)} witnesses, {needed} are needed")
    return parse_quorum(keys, needed)
