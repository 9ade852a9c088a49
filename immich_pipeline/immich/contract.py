"""What of Immich's database is read, per version (contracts.toml), and whether a live database still looks like that.

A database is recognised by its columns, not by the version that it says it has: a newer server whose columns still match may be read,
an older one that somebody changed may not.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from immich_pipeline.immich.errors import ImmichError

Columns = Mapping[str, Mapping[str, str]]
"""Table name to column name to type."""


class SchemaDrift(ImmichError):  # noqa: N818 - what it says is the error
    """The database does not look as any known version's; the message names what is missing."""


@dataclass(frozen=True)
class Contract:
    """The tables and columns of one version that are read.

    `features` names what differs between the versions in how the columns are used; contracts.toml says what each means.
    """

    name: str
    features: frozenset[str]
    columns: Columns = field(repr=False, compare=False)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that are read, by name."""
        return tuple(self.columns)


@dataclass(frozen=True)
class Catalog:
    """What a live database says of its tables.

    Attributes:
        columns: table to column to type, as contracts.toml writes types.
        labels: enum type to its labels.
        refer_to_asset: tables with a foreign key to `asset`.
    """

    columns: Columns
    labels: Mapping[str, tuple[str, ...]]
    refer_to_asset: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContractCheck:
    """What came of comparing a live database with the contracts.

    Attributes:
        contract: the one that holds, None when none does.
        missing: what the nearest contract asks for and the database has not, a sentence each; empty when one holds.
        unknown: tables that refer to an asset and that no known version has; to be looked at, nothing is wrong with them.
        nearest: the contract that `missing` was counted against.
    """

    contract: Contract | None
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    nearest: Contract

    def require(self) -> Contract:
        """The contract that holds.

        Raises:
            SchemaDrift: none does.
        """
        if self.contract is None:
            raise drifted(self.missing)
        return self.contract


def drifted(missing: tuple[str, ...]) -> SchemaDrift:
    """The error that names what is missing."""
    return SchemaDrift(
        f"Immich's database does not look as any version that is known here: {'; '.join(missing)}. It is not read: use the API "
        "('read: api'), or install a version of immich-pipeline that knows this Immich"
    )


@cache
def contracts() -> tuple[Contract, ...]:
    """The known contracts, newest first."""
    table = _table()
    return tuple(
        Contract(name, frozenset(entry["features"]), _merged(table["common"], entry["columns"]))
        for name, entry in table["contract"].items()
    )


def compare(catalog: Catalog) -> ContractCheck:
    """Find the contract that a live database keeps, or else what is missing from the nearest one."""
    labels = _unknown_labels(catalog)
    findings = [(contract, (*_missing(contract, catalog.columns), *labels)) for contract in contracts()]
    unknown = tuple(sorted(set(catalog.refer_to_asset) - set(_table()["known"]["refer_to_asset"])))
    nearest, missing = min(findings, key=lambda finding: len(finding[1]))  # of equals the first: the newest
    return ContractCheck(None if missing else nearest, missing, unknown, nearest)


def _missing(contract: Contract, columns: Columns) -> list[str]:
    found = []
    for table, expected in contract.columns.items():
        if table not in columns:
            found.append(f"the table {table} is missing")
            continue
        for column, wanted in expected.items():
            actual = columns[table].get(column)
            if actual is None:
                found.append(f"{table}.{column} is missing")
            elif actual != wanted:
                found.append(f"{table}.{column} is {actual}, expected {wanted}")
    return found


def _unknown_labels(catalog: Catalog) -> list[str]:
    known: dict[str, list[str]] = _table()["labels"]
    return [
        f"{name} has the unknown value '{label}'"
        for name, labels in known.items()
        for label in catalog.labels.get(name, ())
        if label not in labels
    ]


def _merged(common: Columns, own: Columns) -> Columns:
    return {table: {**common.get(table, {}), **own.get(table, {})} for table in (*common, *(set(own) - set(common)))}


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files("immich_pipeline.immich") / "contracts.toml").read_text("utf-8"))
