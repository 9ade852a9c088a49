"""What the README tells people to type is what the program needs."""

import re
from pathlib import Path

from immich_pipeline.immich.contract import contracts
from immich_pipeline.immich.permissions import FEATURES, needed
from immich_pipeline.immich.settings import ImmichSettings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_key_has_exactly_the_permissions_that_reading_needs() -> None:
    sentence = README.partition("exactly these permissions:")[2].partition("(")[0]
    reading = [name for name, feature in FEATURES.items() if not feature.writes and name != "originals"]
    assert set(re.findall(r"`([a-zA-Z.]+)`", sentence)) == set(needed(reading))


def test_the_role_may_read_exactly_what_is_read() -> None:
    tables = set(re.findall(r'"(\w+)"', README.partition("GRANT SELECT ON ")[2].partition("TO immich_reader")[0]))
    assert tables == {table for contract in contracts() for table in contract.tables}


def test_every_setting_of_a_server_is_told() -> None:
    table = README.partition("| under `immich:` |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)`", table))
    names = {name if name != "database_url" else "database_url_file" for name in ImmichSettings.model_fields}
    assert names <= told
