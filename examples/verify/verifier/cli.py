"""The command line."""

import argparse
import pathlib
import sys
import time

from verifier import commands, texts
from verifier.encoding import Refused
from verifier.report import Report

HOLDS, DOES_NOT, USAGE = 0, 1, 2
_EPILOG = """\
Exit codes: 0 what was checked holds · 1 something does not · 2 wrong usage, or a file that cannot
be read. What README.md beside this program calls open was not checked, for want of something to
check it with.
"""


def main(given: list[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    fault = _missing(arguments)
    if fault:
        print(f"error: {fault}", file=sys.stderr)
        return USAGE
    report = Report(arguments.command)
    try:
        arguments.run_command(arguments, report)
    except Refused as why:
        report.refused(why)
    except OSError as why:
        print(f"error: {why.filename}: {why.strerror}", file=sys.stderr)
        return USAGE
    shown = report.as_json() if arguments.output == "json" else report.as_table()
    sys.stdout.write(shown)
    return HOLDS if report.verdict else DOES_NOT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="Check what blindmatch nodes sign and record, by their specification alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    add = _Adder(chosen)
    add("roster", "who belongs to a consortium, and who signed that", commands.roster)
    each = add("card", "a member's claim to its name, signed by its identity", commands.card)
    each.add_argument("--roster", type=pathlib.Path, help="the roster to hold it against")
    each = add(
        "delegation", "which keys a member uses, signed by its identity", commands.delegation
    )
    each.add_argument("--roster", type=pathlib.Path, required=True)
    each = add(
        "checkpoint", "the signed state of a ledger, and who cosigned it", commands.checkpoint
    )
    _trust(each)
    each = add(
        "consistency", "a checkpoint that goes on from an older one", commands.consistency
    )
    _trust(each)
    each.add_argument("--known", type=pathlib.Path, required=True, help="the older checkpoint")
    each = add("proof", "one record of a ledger", commands.proof)
    _trust(each)
    each = add("ledger", "a whole exported ledger", commands.ledger)
    _trust(each)
    _known(each)
    each.add_argument("--records", action="store_true", help="say what each record is")
    each = add("receipt", "what two members signed about a run", commands.receipt)
    _trust(each)
    _known(each)
    each.add_argument("--querier-key", action="append", default=[], metavar="BASE64")
    each.add_argument("--responder-key", action="append", default=[], metavar="BASE64")
    each.add_argument("--ledger", type=pathlib.Path, help="an exported ledger that records it")
    each = add("opening", "one row of a commitment to matches", commands.opening)
    _trust(each)
    _known(each)
    each.add_argument("--row", type=pathlib.Path, required=True, help="the row's bytes")
    each.add_argument("--root", type=_hash, help="the root, in hexadecimal")
    each.add_argument(
        "--ledger", type=pathlib.Path, help="an exported ledger that has the root"
    )
    each.add_argument("--run", type=_hash, help="the run whose results these are")
    return parser


class _Adder:
    def __init__(self, chosen) -> None:
        self._chosen = chosen

    def __call__(self, name: str, about: str, command) -> argparse.ArgumentParser:
        parser = self._chosen.add_parser(name, help=about, description=f"Check {about}.")
        parser.add_argument("file", type=pathlib.Path, metavar="FILE")
        parser.add_argument("--output", choices=("table", "json"), default="table")
        parser.add_argument(
            "--at",
            type=_time,
            default=int(time.time()),
            metavar="TIME",
            help="judge rosters and delegations at this time, e.g. 2027-01-31T00:00:00Z",
        )
        parser.add_argument(
            "--fingerprint", metavar="WORDS", help="the roster's twelve words, in quotes"
        )
        parser.add_argument(
            "--previous", type=pathlib.Path, metavar="ROSTER", help="a roster that you trust"
        )
        parser.set_defaults(run_command=command)
        return parser


def _trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--roster", type=pathlib.Path, help="who the members are")
    parser.add_argument(
        "--delegation",
        type=pathlib.Path,
        action="append",
        default=[],
        help="the keys of a member; may be repeated",
    )
    parser.add_argument("--key", action="append", default=[], help="instead: the ledger's key")
    parser.add_argument("--witness", action="append", default=[], help="a witness's key")
    parser.add_argument("--quorum", type=int, help="how many witnesses; else more than half")


def _known(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--known",
        type=pathlib.Path,
        action="append",
        default=[],
        help="a checkpoint of this ledger that you have; may be repeated",
    )


def _time(value: str) -> int:
    try:
        return texts.time(value)
    except Refused as why:
        raise argparse.ArgumentTypeError(why.detail) from None


def _hash(value: str) -> bytes:
    try:
        return texts.digest(value)
    except Refused as why:
        raise argparse.ArgumentTypeError(why.detail) from None


def _missing(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the options together."""
    given = vars(arguments)
    command = arguments.command
    if command == "opening":
        if (arguments.root is None) == (arguments.ledger is None or arguments.run is None):
            return "opening: give --root, or --ledger with --run"
        if arguments.root is not None:
            return None
    if command == "receipt" and arguments.ledger is None and arguments.roster is None:
        both = arguments.querier_key and arguments.responder_key
        return None if both else "receipt: give --roster and --delegation, or both sides' keys"
    if "delegation" not in given or command == "delegation":
        return None
    if (arguments.roster is None) == (not arguments.key):
        return f"{command}: give --roster with --delegation, or --key"
    if arguments.roster is not None and arguments.witness:
        return f"{command}: with --roster, the witnesses are the roster's"
    if arguments.quorum is not None and not arguments.witness:
        return f"{command}: --quorum is of those of --witness"
    return None
