"""Texts of `FIELD: VALUE` lines, each value in its one form (spec/41 §1)."""

import datetime
import ipaddress
import re

from verifier import ed25519, notes
from verifier.encoding import Refused, decimal, malformed, unbase64
from verifier.notes import Key

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PRINTABLE = re.compile(r"[!-~]+")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def name(value: str) -> str:
    if len(value) > 63 or not _NAME.fullmatch(value):
        raise malformed("no name")
    return value


def time(value: str) -> int:
    """In seconds since 1970."""
    match = _TIME.fullmatch(value)
    try:
        year, month, day, hour, minute, second = map(int, match.groups() if match else ())
        moment = datetime.datetime(
            year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc
        )
    except ValueError:
        raise malformed("no time as 2027-01-31T00:00:00Z") from None
    if not 1970 <= moment.year <= 9998:
        raise malformed("a year outside of 1970 to 9998")
    return int((moment - _EPOCH).total_seconds())


def shown_time(seconds: int) -> str:
    try:
        moment = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds} s after 1970"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(value: str) -> bytes:
    if not _DIGEST.fullmatch(value):
        raise malformed("no SHA-256 in lower-case hexadecimal")
    return bytes.fromhex(value)


def ed25519_key(value: str) -> bytes:
    key = unbase64(value)
    if len(key) != 32 or not ed25519.is_point(key):
        raise malformed("no Ed25519 key, or one of small order")
    return key


def x25519_key(value: str) -> bytes:
    key = unbase64(value)
    if len(key) != 32 or key[31] & 0x80:
        raise malformed("no X25519 key")
    return key


def roster_key(value: str) -> Key:
    if not _PRINTABLE.fullmatch(value):
        raise malformed("a roster key is printable ASCII")
    return notes.parse_key(value)


def address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not 1 <= decimal(port) <= 65535 or not _is_host(host):
        raise malformed("no HOST:PORT")
    return value


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        return _is_ipv6(host[1:-1])
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        pass
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(len(label) <= 63 and re.fullmatch(_LABEL, label) for label in labels)
        and not labels[-1].isdigit()
    )


def _is_ipv6(host: str) -> bool:
    try:
        parsed = ipaddress.IPv6Address(host)
    except ValueError:
        return False
    if parsed.scope_id is not None:
        return False
    mapped = parsed.ipv4_mapped
    return host == (f"::ffff:{mapped}" if mapped else parsed.compressed)


def chosen(*choices: str):
    """A value that is one of a few words."""

    def read(value: str) -> str:
        if value not in choices:
            raise malformed(f"neither of {', '.join(choices)}")
        return value

    return read


class Lines:
    """Reads a text line by line and says in which line it is not in its form."""

    def __init__(self, text: str, first: str) -> None:
        if not text.isascii():
            raise malformed("no ASCII")
        if not text.endswith("\n"):
            raise malformed("the last line does not end")
        self._lines = text[:-1].split("\n")
        self._at = 0
        if self._lines[0] != first:
            raise self.fault(f"not `{first}`")
        self._at = 1

    @property
    def last(self) -> int:
        """The number of the line that was read last."""
        return self._at

    @property
    def done(self) -> bool:
        return self._at == len(self._lines)

    def fault(self, detail: str, line: int | None = None) -> Refused:
        return Refused("malformed", f"line {line or self._at + 1}: {detail}")

    def empty(self) -> None:
        if self.done or self._lines[self._at] != "":
            raise self.fault("no empty line")
        self._at += 1

    def field(self, name: str, read):
        if self.done or not self._lines[self._at].startswith(f"{name}: "):
            raise self.fault(f"no `{name}: `")
        value = self._lines[self._at].removeprefix(f"{name}: ")
        try:
            parsed = read(value)
        except Refused as why:
            raise self.fault(f"{name}: {why.detail}") from None
        self._at += 1
        return parsed

    def fields(self, name: str, limit: int, read, order) -> list:
        """Lines of one name that ascend by what `order` makes of them."""
        found: list = []
        while not self.done and self._lines[self._at].startswith(f"{name}: "):
            if len(found) == limit:
                raise self.fault(f"more than {limit} lines of {name}")
            parsed = self.field(name, read)
            if found and order(parsed) <= order(found[-1]):
                raise self.fault(f"{name} does not ascend", self._at)
            found.append(parsed)
        return found

    def end(self) -> None:
        if not self.done:
            raise self.fault("more behind the last line")


class OneUse:
    """Within a text no key stands twice, whichever curve it is written for."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def ed25519(self, lines: Lines, key: bytes, line: int | None = None) -> None:
        self._add(lines, line, key, ed25519.u_coordinate(key))

    def x25519(self, lines: Lines, key: bytes) -> None:
        self._add(lines, None, key)

    def _add(self, lines: Lines, line: int | None, *forms: bytes) -> None:
        if self._seen.intersection(forms):
            raise lines.fault("a key that stands before", line or lines.last)
        self._seen.update(forms)
