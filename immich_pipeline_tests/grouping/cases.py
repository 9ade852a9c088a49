"""Real file names and the grouping that they should get, where the file with them lies beside the repository."""

import json
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).resolve().parents[2] / "../shared/filename-cases.json"
NUMBER = 140


def cases() -> list[dict[str, Any]]:
    """The cases; none where there is no such file."""
    return list(json.loads(_FILE.read_text(encoding="utf-8"))) if _FILE.exists() else []


needs_cases = pytest.mark.skipif(not _FILE.exists(), reason="needs ../shared/filename-cases.json")
