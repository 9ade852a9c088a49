"""Contracts against the catalogs of real servers, and what is said of a database that drifted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.immich.contract import Catalog, Contract, SchemaDrift, compare, contracts

SHARED = Path(__file__).resolve().parents[2] / "../shared/immich"
CATALOGS = {"2.7": "catalog-v2.7.5.json", "3.0": "catalog-v3.1.0.json", "3.2": "catalog-v3.2.json"}


def contract(name: str) -> Contract:
    return next(known for known in contracts() if known.name == name)


def catalog_of(name: str, *, without: str | None = None, table: str | None = None, **types: str) -> Catalog:
    """A catalog that keeps a contract but for what is said; `types` of columns of `table`."""
    columns = {name: dict(kinds) for name, kinds in contract(name).columns.items()}
    if without is not None:
        gone, _, column = without.partition(".")
        if column:
            del columns[gone][column]
        else:
            del columns[gone]
    if table is not None:
        columns[table] |= types
    return Catalog(columns, {})


def shared_catalogs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, file in CATALOGS.items():
        path = SHARED / file
        if not path.exists():
            pytest.skip("needs ../shared/immich")
        yield name, json.loads(path.read_text())


def plain(kind: str) -> str:
    """A type of the catalogs without its length."""
    return kind.partition("(")[0]


def test_every_real_catalog_keeps_exactly_its_contract() -> None:
    for name, found in shared_catalogs():
        columns = {
            table: {column: plain(facts["type"]) for column, facts in described["columns"].items()}
            for table, described in found["tables"].items()
        }
        labels = {kind: tuple(values) for kind, values in found["enums"].items()}
        referring = tuple(
            table
            for table, described in found["tables"].items()
            if any("REFERENCES asset(" in constraint["definition"] for constraint in described["constraints"])
        )
        check = compare(Catalog(columns, labels, referring))
        assert check.contract is not None
        assert check.contract.name == name
        assert check.missing == ()
        assert check.unknown == ()
        assert check.require() is check.contract


def test_each_version_has_its_contract_and_they_tell_each_other_apart() -> None:
    assert [known.name for known in contracts()] == ["3.2", "3.0", "2.7"]
    for known in contracts():
        assert compare(catalog_of(known.name)).contract == known
        assert "asset" in known.tables


@pytest.mark.parametrize("name", CATALOGS)
def test_a_renamed_column_is_named(name: str) -> None:
    check = compare(catalog_of(name, without="asset.checksumAlgorithm"))
    assert check.contract is None
    assert check.nearest.name == name
    assert check.missing == ("asset.checksumAlgorithm is missing",)
    with pytest.raises(SchemaDrift, match=r"asset\.checksumAlgorithm is missing") as error:
        check.require()
    assert isinstance(error.value, UserError)
    assert "\n" not in str(error.value)


def test_a_dropped_table_is_named_once() -> None:
    assert compare(catalog_of("3.0", without="asset_exif")).missing == ("the table asset_exif is missing",)


def test_a_changed_type_is_named_with_both() -> None:
    check = compare(catalog_of("3.2", table="asset", duration="text"))
    assert check.missing == ("asset.duration is text, expected integer",)


def test_further_columns_and_tables_are_no_drift_and_new_tables_of_an_asset_are_told() -> None:
    known = catalog_of("3.2", table="asset", mood="text")
    check = compare(Catalog({**known.columns, "asset_mood": {}}, {}, ("asset_mood", "asset_exif")))
    assert check.contract == contract("3.2")
    assert check.unknown == ("asset_mood",)


def test_a_new_visibility_is_drift_since_nobody_knows_who_may_see_it() -> None:
    known = catalog_of("3.2")
    labels = {"asset_visibility_enum": ("timeline", "secret"), "sourcetype": ("telepathy",)}
    check = compare(Catalog(known.columns, labels))
    assert check.contract is None
    assert check.missing == ("asset_visibility_enum has the unknown value 'secret'",)


def test_an_empty_database_lacks_every_table() -> None:
    check = compare(Catalog({}, {}))
    assert check.contract is None
    assert len(check.missing) == len(check.nearest.tables)
