"""What the pages about sharing tell people to write is what the program takes, and all of it is told."""

import re
from pathlib import Path

import yaml

from immich_pipeline.share_settings import ShareJob, SharingSettings
from immich_pipeline_tests.test_readme import settings_of

_HERE = Path(__file__).parents[2]
PAGE = (_HERE / "docs" / "sharing.md").read_text(encoding="utf-8")
README = (_HERE / "README.md").read_text(encoding="utf-8")
NOT_AS_IT_STANDS = {"share", "wait_for", "schedule", "brakes", "jobs", "database_url"}


def rows(after: str) -> list[tuple[str, str]]:
    """Setting and default, row by row, of the table that follows a line."""
    table = PAGE.partition(f"\n{after}\n\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w.]+)` \| (.*?) \|", table, re.MULTILINE)


def test_every_setting_is_told_with_its_default() -> None:
    for line, model in (("Under `sharing:`", SharingSettings), ("Of each job", ShareJob)):
        settings = dict(settings_of(model))
        told = rows(line)
        assert [name for name, _ in told] == list(settings)
        for name, default in told:
            given = settings[name]
            if name in NOT_AS_IT_STANDS or given is None or str(given) == "PydanticUndefined" or given == ():
                continue
            shown = (
                str(given).lower()
                if isinstance(given, bool)
                else f"{given:g}"
                if isinstance(given, float)
                else str(given)
            )
            assert default == f"`{shown}`", name


def test_the_examples_are_taken() -> None:
    block = next(text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if text.startswith("sharing:"))
    sharing = yaml.safe_load(block)["sharing"]
    assert sharing.pop("database_url_file").endswith("share.url")
    job = SharingSettings.model_validate(sharing | {"database_url": "postgresql://x"}).jobs[0]
    assert (job.name, job.share.people) == ("anna-to-ben", ("Grandma",))
    (set_up,) = (text for text in re.findall(r"   ```yaml\n(.*?)   ```", PAGE, re.DOTALL) if "sharing:" in text)
    sharing = yaml.safe_load(set_up)["sharing"]
    assert SharingSettings.model_validate({"mode": sharing["mode"]}).mode == "approve"
