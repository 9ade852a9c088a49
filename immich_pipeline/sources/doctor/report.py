"""What the doctor found, and how it is shown: as lines for a terminal, or as JSON."""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal

from immich_pipeline.sources.doctor.clean import Secrets

State = Literal["ok", "warning", "problem"]
Works = Literal["works", "partly", "no", "off"]

EXIT_OK, EXIT_PROBLEM, EXIT_NOTHING = 0, 1, 2
ABOVE = "see above"
"""The remedy of a feature that waits for that of a finding."""

_WIDTH = 118
_SIGNS = {"works": "yes", "partly": "partly", "no": "NO", "off": "not set up"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: what it is part of: settings, folders, server, keys, database, owners, mounts, files, disk, sharing.
        subject: what was looked at, e.g. a key's label or a folder.
        state: ok; warning: works, but should be known; problem: something that is configured does not work.
        detail: what was found.
        remedy: what to do about it; "" when nothing is to be done.
    """

    area: str
    subject: str
    state: State
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Feature:
    """Something the pipeline does with an Immich server, and whether it will.

    Attributes:
        name: what it is.
        state: works; partly: for some users or files only; no: it is configured and will not work; off: nothing configured asks for it.
        reason: by which way it works, or why it does not.
        remedy: what to do to have it; "" when it works.
    """

    name: str
    state: Works
    reason: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that was found. `can_work` says that at least one source of photos can be read."""

    rows: tuple[Finding, ...]
    features: tuple[Feature, ...]
    can_work: bool

    @property
    def exit_code(self) -> int:
        """0: everything that is configured works (warnings do not count); 1: something will not; 2: nothing can."""
        if not self.can_work:
            return EXIT_NOTHING
        problem = any(row.state == "problem" for row in self.rows)
        return EXIT_PROBLEM if problem or any(item.state in ("partly", "no") for item in self.features) else EXIT_OK

    def without(self, secrets: Secrets) -> "Report":
        """The same report, made fit to be shown: no secret, no character that a terminal would obey."""
        return replace(
            self,
            rows=tuple(replace(row, **secrets.cleaned(_texts(row))) for row in self.rows),
            features=tuple(replace(feature, **secrets.cleaned(_texts(feature))) for feature in self.features),
        )


def _texts(row: Finding | Feature) -> dict[str, Any]:
    return {name: text for name, text in asdict(row).items() if name != "state"}


def as_json(report: Report) -> str:
    """The report as a JSON document: exit_code, rows, features."""
    return json.dumps(
        {
            "exit_code": report.exit_code,
            "rows": [asdict(row) for row in report.rows],
            "features": [asdict(feature) for feature in report.features],
        },
        indent=2,
    )


def as_table(report: Report) -> str:
    """The report as lines for a terminal: what was looked at by area, then what will work, then the result."""
    lines: list[str] = []
    for area, rows in groupby(report.rows, key=lambda row: row.area):
        lines.append(area)
        lines += _entries((row.state, row.subject, row.detail, row.remedy) for row in rows)
    if report.features:
        lines += ["", "what will work"]
        lines += _entries((_SIGNS[item.state], item.name, item.reason, item.remedy) for item in report.features)
    return "\n".join([*lines, "", _result(report)])


def _entries(rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    entries = list(rows)
    state_width = max(len(state) for state, *_ in entries)
    subject_width = min(max(len(subject) for _, subject, *_ in entries), 34)
    indent = " " * (state_width + subject_width + 6)
    lines = []
    for state, subject, detail, remedy in entries:
        head = f"  {state:<{state_width}}  {subject:<{subject_width}}  "
        if len(subject) > subject_width:  # a long name gets a line of its own
            lines.append(head.rstrip())
            head = indent
        lines += _wrapped(f"{detail} ({ABOVE})" if remedy == ABOVE else detail, head, indent)
        if remedy and remedy != ABOVE:
            lines += _wrapped(remedy, f"{indent}-> ", f"{indent}   ")
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    lines = []
    for number, line in enumerate(text.split("\n")):
        before = first if number == 0 else rest
        # SQL, permissions and paths are copied from here: they are never broken
        lines += textwrap.wrap(
            line, _WIDTH, initial_indent=before, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        ) or [before.rstrip()]
    return lines


def _result(report: Report) -> str:
    problems = sum(row.state == "problem" for row in report.rows)
    warnings = sum(row.state == "warning" for row in report.rows)
    verdict = {
        EXIT_OK: "everything that is configured works",
        EXIT_PROBLEM: "something will not work",
        EXIT_NOTHING: "nothing can work",
    }[report.exit_code]
    return f"{verdict}: {_count(problems, 'problem')}, {_count(warnings, 'warning')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
