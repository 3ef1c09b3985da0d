"""What each command checks, in its order. Releases get their command here once spec/ has them."""

import argparse
import pathlib
from collections.abc import Callable

from verifier import commitments, delegations, files, growth, receipts, rosters, texts
from verifier.checkpoints import Checkpoint, LedgerKeys, Quorum, ledger_keys, ledger_name
from verifier.checkpoints import parse_checkpoint, parse_quorum, verify_quorum, verify_signature
from verifier.delegations import Delegation
from verifier.encoding import Refused
from verifier.notes import COSIGNATURE, parse_key
from verifier.records import RESULTS, Record
from verifier.report import Report
from verifier.rosters import Roster, Trust

Arguments = argparse.Namespace


def roster(arguments: Arguments, report: Report) -> None:
    _trusted_roster(arguments.file, arguments, report)


def card(arguments: Arguments, report: Report) -> None:
    report.begin("card")
    found = delegations.parse_card(_read(arguments.file))
    words = rosters.in_words(rosters.fingerprint(found.text))
    report.holds(
        f"of {found.member}, a {found.role}; signed by the identity in it; {words}",
        member=found.member,
        fingerprint=words,
    )
    if arguments.roster is None:
        report.open("membership", "no roster given: a card is a claim to a name")
        return
    known = _trusted_roster(arguments.roster, arguments, report)
    report.begin("membership")
    member = known.members.get(found.member)
    if member is None:
        raise Refused("unknown member", f"the roster has no {found.member}")
    if not found.is_of(member):
        raise Refused("other identity", f"the roster says otherwise of {found.member}")
    report.holds(f"the roster says the same of {found.member}")


def delegation(arguments: Arguments, report: Report) -> None:
    known = _trusted_roster(arguments.roster, arguments, report)
    _delegations([arguments.file], known, arguments, report)


def checkpoint(arguments: Arguments, report: Report) -> None:
    report.begin("checkpoint")
    found = parse_checkpoint(_read(arguments.file))
    keys, quorum = _ledger_trust(found, arguments, report)
    _signed(found, keys, quorum, report)


def consistency(arguments: Arguments, report: Report) -> None:
    report.begin("checkpoint")
    found = growth.parse_growth(_read(arguments.file))
    keys, quorum = _ledger_trust(found.checkpoint, arguments, report)
    _signed(found.checkpoint, keys, quorum, report)
    report.begin("older")
    older = parse_checkpoint(_read(arguments.known))
    verify_signature(older, keys)
    report.holds(f"checkpoint of {older.size} records, {older.origin}", size=older.size)
    report.begin("consistency")
    growth.verify_growth(found, older.state, keys)
    how = (
        "has all that the older has"
        if found.lost is None
        else "names what it lost of the older"
    )
    report.holds(f"the newer goes on from the older and {how}")


def proof(arguments: Arguments, report: Report) -> None:
    report.begin("checkpoint")
    found = files.parse_proof(_read(arguments.file))
    keys, quorum = _ledger_trust(found.checkpoint, arguments, report)
    _signed(found.checkpoint, keys, quorum, report)
    report.begin("record")
    record = files.verify_proof(found, keys, quorum)
    _show(found.index, record, report)


def ledger(arguments: Arguments, report: Report) -> None:
    records = _ledger(arguments.file, arguments, report, lambda record: arguments.records)
    for index, record in records:
        report.begin("record")
        _show(index, record, report)


def receipt(arguments: Arguments, report: Report) -> None:
    report.begin("receipt")
    signed = receipts.parse_signed(_read(arguments.file))
    found = signed.receipt
    classes = [each.size_class for each in found.inputs]
    report.holds(
        f"of run {found.run.hex()}; size classes {classes[0]} and {classes[1]}",
        run=found.run.hex(),
        querier=found.identities[0].decode("utf-8", "replace"),
        responder=found.identities[1].decode("utf-8", "replace"),
        classes=classes,
    )
    keys = _receipt_keys(found, arguments, report)
    for side, name in enumerate(receipts.SIDES):
        report.begin(name)
        receipts.verify_side(signed, side, keys[side])
        report.holds(f"{found.identities[side].decode('utf-8', 'replace')} signed")
    if arguments.ledger is None:
        report.open("recorded", "no ledger given: whether a side recorded it")
        return
    records = _ledger(arguments.ledger, arguments, report, signed.is_recorded)
    report.begin("recorded")
    if not records:
        raise Refused("not recorded", "no record of the ledger is of this receipt")
    index, record = records[0]
    report.holds(f"record {index}, {texts.shown_time(record.time)}", index=index)


def opening(arguments: Arguments, report: Report) -> None:
    report.begin("opening")
    found = commitments.parse_opening(_read(arguments.file))
    row = _read(arguments.row)
    if arguments.root is not None:
        report.open("root", "the root was given as it is: who committed to it, and when")
        roots = [arguments.root]
    else:
        records = _ledger(
            arguments.ledger,
            arguments,
            report,
            lambda record: record.kind == RESULTS and record.fields["run"] == arguments.run,
        )
        roots = [record.fields["root"] for _, record in records]
        report.begin("root")
        if not roots:
            raise Refused("not recorded", "the ledger has no results of this run")
        report.holds(f"recorded as the results of run {arguments.run.hex()}")
    report.begin("opening")
    for place, root in enumerate(roots):
        try:
            commitments.verify_opening(found, row, root)
            break
        except Refused:
            if place == len(roots) - 1:
                raise
    report.holds("this row was committed to; how many others were, it does not say")


def _read(path: pathlib.Path) -> bytes:
    return path.read_bytes()


def _trusted_roster(path: pathlib.Path, arguments: Arguments, report: Report) -> Roster:
    report.begin("roster")
    data = _read(path)
    if arguments.previous is not None:
        held = rosters.parse_roster(_read(arguments.previous))
    else:
        held = None
    confirmed = rosters.from_words(arguments.fingerprint) if arguments.fingerprint else None
    anchored = held is not None or confirmed is not None
    known = rosters.parse_roster(data)
    trust = Trust(confirmed, held) if anchored else Trust(known.fingerprint)
    known, by = rosters.judge(trust, data, arguments.at)
    words = rosters.in_words(known.fingerprint)
    signers = rosters.signed_by(known)
    report.holds(
        f"number {known.number} of {known.consortium}, {len(known.members)} members;"
        f" signed by {', '.join(signers)} ({known.now.number} of {len(known.now.keys)})",
        consortium=known.consortium,
        number=known.number,
        signed_by=signers,
        fingerprint=words,
    )
    if anchored:
        report.begin("trust")
        report.holds({"held": "it is the one before"}.get(by, f"by its {by}"), by=by)
    else:
        report.open("trust", f"compare its fingerprint, by another way: {words}")
    return known


def _delegations(
    paths: list[pathlib.Path], known: Roster, arguments: Arguments, report: Report
) -> list[Delegation]:
    found = []
    for path in paths:
        report.begin("delegation")
        each = delegations.parse_delegation(_read(path))
        each.counts(known, arguments.at)
        found.append(each)
        report.holds(
            f"{each.member}, number {each.number}, until {texts.shown_time(each.expires)}",
            member=each.member,
            number=each.number,
        )
    return delegations.unrevoked(found)


def _ledger_trust(
    found: Checkpoint, arguments: Arguments, report: Report
) -> tuple[LedgerKeys, Quorum | None]:
    """The keys of a ledger and its witnesses: as given, or from the roster and delegations."""
    if arguments.roster is None:
        report.begin("keys")
        keys = ledger_keys([parse_key(key) for key in arguments.key])
        report.open("trust", "the keys were given as they are: whose they are")
        if not arguments.witness:
            return keys, None
        report.begin("witnesses")
        witnesses = [parse_key(key, COSIGNATURE) for key in arguments.witness]
        return keys, parse_quorum(witnesses, arguments.quorum)
    known = _trusted_roster(arguments.roster, arguments, report)
    counted = _delegations(arguments.delegation, known, arguments, report)
    report.begin("keys")
    owners = {ledger_name(known.consortium, name): name for name in known.members}
    owner = owners.get(found.ledger)
    if owner is None:
        raise Refused("unknown member", f"the roster has no owner of {found.ledger}")
    keys = delegations.ledger_keys(known, owner, counted)
    report.begin("witnesses")
    if not known.witnesses(owner):
        return keys, None
    return keys, delegations.quorum(known, owner, counted)


def _signed(found: Checkpoint, keys: LedgerKeys, quorum: Quorum | None, report: Report) -> None:
    report.begin("checkpoint")
    verify_signature(found, keys)
    report.holds(
        f"{found.origin}, {found.size} records, root {found.root.hex()}",
        origin=found.origin,
        size=found.size,
        root=found.root.hex(),
    )
    if quorum is None:
        report.open("cosignatures", "no witnesses given: whether others saw the same ledger")
        return
    report.begin("cosignatures")
    times = verify_quorum(found, quorum).times
    shown = ", ".join(f"{name} at {texts.shown_time(time)}" for name, time in times.items())
    report.holds(
        f"{len(times)} of {len(quorum.witnesses)}, {quorum.number} needed: {shown}",
        cosigners=sorted(times),
        times=times,
        quorum=quorum.number,
    )


def _ledger(
    path: pathlib.Path, arguments: Arguments, report: Report, wanted: Callable[[Record], bool]
) -> list[tuple[int, Record]]:
    """The records of an exported ledger that are wanted, once all of it holds."""
    report.begin("ledger")
    with path.open("rb") as lines:
        head = files.parse_export_head(lines.readline())
        keys, quorum = _ledger_trust(head, arguments, report)
        _signed(head, keys, quorum, report)
        report.begin("known")
        known = [parse_checkpoint(_read(each)) for each in arguments.known]
        for each in known:
            verify_signature(each, keys)
        report.begin("records")
        found: list[tuple[int, Record]] = []
        until = 0

        def look(index: int, record: Record) -> None:
            nonlocal until
            until = record.time
            if wanted(record):
                found.append((index, record))

        files.verify_records(head, lines, known, look)
    last = f"; the last of {texts.shown_time(until)}" if head.size else ""
    report.holds(f"{head.size}, none missing, none changed{last}", records=head.size)
    for each in known:
        report.begin("known")
        report.holds(f"goes on from the checkpoint of {each.size} records", size=each.size)
    return found


def _show(index: int, record: Record, report: Report) -> None:
    fields = ", ".join(f"{name} {value}" for name, value in record.shown().items())
    report.holds(
        f"{index}, {texts.shown_time(record.time)}: {record.name}; {fields}",
        index=index,
        time=record.time,
        event=record.name,
        fields=record.shown(),
    )


def _receipt_keys(
    found: receipts.Receipt, arguments: Arguments, report: Report
) -> tuple[list[bytes], list[bytes]]:
    if arguments.roster is None:
        report.open("trust", "the keys were given as they are: whose they are")
        return (
            [texts.ed25519_key(key) for key in arguments.querier_key],
            [texts.ed25519_key(key) for key in arguments.responder_key],
        )
    known = _trusted_roster(arguments.roster, arguments, report)
    counted = _delegations(arguments.delegation, known, arguments, report)
    report.begin("keys")
    keys: tuple[list[bytes], list[bytes]] = ([], [])
    for side, identity in enumerate(found.identities):
        consortium, member = receipts.member_of(identity)
        if consortium != known.consortium or member not in known.members:
            raise Refused("unknown member", f"the roster has no {member} of {consortium}")
        keys[side].extend(each.receipts for each in counted if each.member == member)
        if not keys[side]:
            raise Refused("no key", f"no delegation of {member} counts")
    return keys
