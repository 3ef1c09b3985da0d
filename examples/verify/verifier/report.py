"""What was checked, one line for each thing, for people or as JSON."""

import json
from typing import Any

from verifier.encoding import Refused

SCHEMA = "blindmatch.verify.v1"
HOLDS, OPEN, REFUSED = "holds", "open", "REFUSED"


class Report:
    def __init__(self, command: str) -> None:
        self.command = command
        self.checks: list[dict[str, Any]] = []
        self._begun = command

    def begin(self, check: str) -> None:
        """What a refusal from here on is about."""
        self._begun = check

    def holds(self, text: str, **details: Any) -> None:
        self._add(HOLDS, text, details)

    def open(self, check: str, text: str, **details: Any) -> None:
        """Something that was not checked, since nothing to check it with was given."""
        self._begun = check
        self._add(OPEN, text, details)

    def refused(self, why: Refused) -> None:
        self._add(REFUSED, why.detail, {"reason": why.reason})

    @property
    def verdict(self) -> bool:
        return all(check["verdict"] != REFUSED.lower() for check in self.checks)

    def as_table(self) -> str:
        rows = [
            f"{_mark(check['verdict']):<8} {check['check']:<13} {_printable(check['text'])}"
            for check in self.checks
        ]
        return "\n".join([*rows, self._sentence()]) + "\n"

    def as_json(self) -> str:
        whole = {
            "schema": SCHEMA,
            "command": self.command,
            "holds": self.verdict,
            "checks": self.checks,
        }
        return json.dumps(whole, indent=2) + "\n"

    def _add(self, verdict: str, text: str, details: dict[str, Any]) -> None:
        found = {"check": self._begun, "verdict": verdict.lower(), "text": text}
        self.checks.append({**found, **details})

    def _sentence(self) -> str:
        if not self.verdict:
            return f"verdict  {REFUSED}: do not rely on it"
        unchecked = sum(check["verdict"] == OPEN for check in self.checks)
        if unchecked:
            return f"verdict  holds, as far as it was checked; open: {unchecked}"
        return "verdict  holds"


def _mark(verdict: str) -> str:
    return REFUSED if verdict == REFUSED.lower() else verdict


def _printable(text: str) -> str:
    """Without what a terminal would act on: files say what their makers want."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
