"""Real file names and the grouping that they should get: data of this test suite, and the only part of it that was not written for it."""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("filename-cases.json")
NUMBER = 140


def cases() -> list[dict[str, Any]]:
    """The cases."""
    return list(json.loads(_FILE.read_text(encoding="utf-8")))
