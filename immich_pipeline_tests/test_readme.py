"""What the README tells people to type is what the program needs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel

from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.conflict_kinds import conflict_kinds
from immich_pipeline.immich.contract import contracts
from immich_pipeline.immich.permissions import FEATURES, needed
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.policies import DEFAULT_ORDER, DuplicateClass, DuplicateSettings

_HERE = Path(__file__).parents[1]
README = (_HERE / "README.md").read_text(encoding="utf-8")
DUPLICATES = (_HERE / "docs" / "duplicates.md").read_text(encoding="utf-8")


def test_the_key_has_exactly_the_permissions_that_reading_needs() -> None:
    sentence = README.partition("exactly these permissions:")[2].partition("(")[0]
    reading = [name for name, feature in FEATURES.items() if not feature.writes and name != "originals"]
    assert set(re.findall(r"`([a-zA-Z.]+)`", sentence)) == set(needed(reading))


def test_the_permissions_that_stacks_need_are_told() -> None:
    sentence = README.partition("A stack that you take apart by hand")[2].partition("\n\n")[0]
    reading = needed([name for name, feature in FEATURES.items() if not feature.writes])
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", sentence)) == set(needed(["stacking"])) - set(reading)


def test_the_role_may_read_exactly_what_is_read() -> None:
    tables = set(re.findall(r'"(\w+)"', README.partition("GRANT SELECT ON ")[2].partition("TO immich_reader")[0]))
    assert tables == {table for contract in contracts() for table in contract.tables}


def test_every_setting_of_a_server_is_told() -> None:
    table = README.partition("| under `immich:` |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)`", table))
    names = {name if name != "database_url" else "database_url_file" for name in ImmichSettings.model_fields}
    assert names <= told


def section(title: str) -> str:
    """A section of the page about duplicates."""
    return DUPLICATES.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(title: str) -> list[str]:
    """What the table of a section is about, row by row."""
    return re.findall(r"^\| `([\w.]+)`", section(title), re.MULTILINE)


def settings_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, object]]:
    """Every setting by its full name, with its default; a part with settings of its own has none."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield f"{above}{name}", None
            yield from settings_of(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", field.get_default(call_default_factory=True)


def test_every_setting_of_duplicates_is_told_with_its_default() -> None:
    settings = dict(settings_of(DuplicateSettings))
    assert first_cells("Settings") == list(settings)
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \|", section("Settings"), re.MULTILINE)
    in_words = {"order", "backup.folder"}
    for name, told in rows:
        default = settings[name]
        if isinstance(default, bool | int | float | str) and name not in in_words:
            wanted = (
                str(default).lower()
                if isinstance(default, bool)
                else f"{default:g}"
                if isinstance(default, float)
                else str(default)
            )
            assert told.strip("`") == wanted, name
        if isinstance(default, tuple):
            assert told.strip("`") == f"[{', '.join(default)}]", name


def test_every_step_class_and_conflict_is_told() -> None:
    assert set(first_cells("Which one is kept")) == set(DEFAULT_ORDER)
    assert first_cells("How alike two pictures are") == list(get_args(DuplicateClass))
    assert len(default_classes().classes) == len(get_args(DuplicateClass)) + 2, "the last row tells of two"
    assert first_cells("When a person has to look") == list(conflict_kinds())


def test_the_permissions_that_resolving_needs_are_told() -> None:
    told = set(re.findall(r"`([a-zA-Z]+\.[a-zA-Z]+)`", section("What the keys need")))
    reading = set(needed([name for name, feature in FEATURES.items() if not feature.writes and name != "originals"]))
    assert told == set(needed(["originals", "resolving", "uploading"])) - reading


def test_the_example_of_duplicates_is_valid() -> None:
    text = re.search(r"```yaml\n(duplicates:.*?)```", README, re.DOTALL)
    assert text
    assert DuplicateSettings.model_validate(yaml.safe_load(text[1])["duplicates"]).mode == "approve"
