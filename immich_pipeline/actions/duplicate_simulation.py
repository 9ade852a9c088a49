"""What a changed policy would change: the same sets, decided twice; nothing is stored."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from immich_pipeline.config import Settings, problem_text
from immich_pipeline.dedup.cores import decide_cores_first
from immich_pipeline.dedup.simulate import changes_text, compare_decisions
from immich_pipeline.errors import UserError
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.sources.duplicates import facts_of_sets, group_members
from immich_pipeline.store import derived
from immich_pipeline.store.database import Database
from immich_pipeline.store.decisions import decisions_are_known, owner_ids
from immich_pipeline.store.verdicts import verdicts


def simulate(database: Database, settings: Settings, policy: Path) -> str:
    """Decide by the present settings and by those of a file, and say what differs.

    Args:
        database: the pipeline's.
        settings: the present ones.
        policy: a YAML file with what the `duplicates` part of the settings would say, alone or as that part of whole settings.

    Raises:
        UserError: the file cannot be read or says what settings cannot say; or nothing was decided yet.
    """
    changed = read_policy(policy)
    with database.frames() as frames:
        if not decisions_are_known(frames):
            raise UserError("duplicates were not looked for yet: run `immich-pipeline run` first")
        sets = derived.sets(frames)
        facts, said, owners = facts_of_sets(frames, settings, sets), verdicts(frames), owner_ids(frames)
        members = group_members(frames)
    before, after = (
        decide_cores_first(sets, members, facts, part, verdicts=said, owners=owners)
        for part in (settings.duplicates, changed)
    )
    return changes_text(compare_decisions(before, after, facts), sets["set_id"].n_unique())


def read_policy(path: Path) -> DuplicateSettings:
    """The settings about duplicates in a file of their own.

    Raises:
        UserError: every problem, with the name of the setting.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read: it is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not valid YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML ({error})") from error
    if isinstance(values, dict) and "duplicates" in values:
        values = values["duplicates"]
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold 'name: value' lines, as the 'duplicates' part of the settings does")
    try:
        return DuplicateSettings.model_validate(values)
    except ValidationError as error:
        raise UserError("; ".join(f"{path}: {_problem(one)}" for one in error.errors())) from None


def _problem(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown setting 'duplicates.{name}'"
    given = "" if isinstance(detail["input"], dict | list) else f", not {detail['input']!r}"
    return f"{name}: {problem_text(detail)}{given}"
