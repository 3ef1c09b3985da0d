"""The values of spec/vectors."""

import json
import pathlib
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[3]


def load(name: str) -> Any:
    return json.loads((ROOT / "spec" / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


def unhex(value: Any) -> Any:
    return bytes.fromhex(value)
