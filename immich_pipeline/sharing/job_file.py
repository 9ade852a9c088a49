"""A new job in the text of the configuration file: what stands there stays as it is, comments included."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from immich_pipeline.errors import UserError


def job_block(job: Mapping[str, object], indent: int = 4) -> str:
    """The lines of one job of the list `jobs`, each ending with a line break."""
    text = yaml.safe_dump([dict(job)], sort_keys=False, allow_unicode=True, width=1000)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


def with_job(text: str, job: Mapping[str, object]) -> str | None:
    """The configuration with one job more; None when it is written in a way that cannot be added to line by line.

    Raises:
        UserError: it has a job of this name.
    """
    before = yaml.safe_load(text) or {}
    sharing = before.get("sharing") or {}
    jobs = sharing.get("jobs") or []
    if any(isinstance(one, dict) and one.get("name") == job["name"] for one in jobs):
        raise UserError(f"the configuration has a job '{job['name']}' already; it stays as it is: take another name")
    wanted = {**before, "sharing": {**sharing, "jobs": [*jobs, dict(job)]}}
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for place, added in _places(text, job, len(lines)):
        after = "".join([*lines[:place], added, *lines[place:]])
        if _says(after) == wanted:
            return after
    return None


def write_job(path: Path, job: Mapping[str, object]) -> bool:
    """Add a job to the file, whole or not at all; what it was before is kept beside it, as `.bak`.

    Returns:
        Whether it was added; if not, a person has to paste `job_block`.

    Raises:
        UserError: there is a job of this name, or the file cannot be read or written.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        after = with_job(text, job)
        if after is None:
            return False
        part = path.with_name(f"{path.name}.part")
        part.write_text(after, encoding="utf-8")
        if path.exists():
            shutil.copymode(path, part)
            shutil.copy2(path, path.with_name(f"{path.name}.bak"))
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write the configuration file {path}: {error.strerror}") from error
    return True


def _places(text: str, job: Mapping[str, object], end: int) -> list[tuple[int, str]]:
    """Where the job may be put, as a number of a line and the lines; none where it is written so that lines cannot be added."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    sharing = _child(root, "sharing")
    jobs = _child(sharing, "jobs")
    if isinstance(jobs, yaml.SequenceNode) and jobs.value and not jobs.flow_style:
        return [(_last_line(jobs), job_block(job, jobs.start_mark.column))]
    if isinstance(sharing, yaml.MappingNode) and sharing.value and not sharing.flow_style and jobs is None:
        column = sharing.value[0][0].start_mark.column
        return [(_last_line(sharing), f"{' ' * column}jobs:\n{job_block(job, column + 2)}")]
    return [(end, f"sharing:\n  jobs:\n{job_block(job)}")] if sharing is None else []


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)


def _last_line(node: yaml.Node) -> int:
    """The number of the line after the last one that says something of a node: blank lines and comments behind it are not its own."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _last_line(node.value[-1])
    return int(node.end_mark.line) + (1 if node.end_mark.column else 0)


def _says(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None
