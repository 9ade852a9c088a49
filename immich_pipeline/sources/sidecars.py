"""Which photo or video a sidecar belongs to, by its name. Always one in the same folder."""

import re
import tomllib
from functools import cache
from importlib.resources import files

import polars as pl
from pydantic import BaseModel, ConfigDict

from immich_pipeline.grouping.names import folded
from immich_pipeline.sources.protocol import SIDECAR_SCHEMA


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Takeout(_Data):
    """How Google Takeout names its sidecars; lengths are in characters."""

    extension: str
    suffix: str
    longest_base: int


class Alias(_Data):
    """Another name that sidecars of one extension may have; pattern and replacement are for names in lower case."""

    extension: str
    pattern: str
    name: str


class SidecarRules(_Data):
    """The rules of `sidecars.toml`."""

    order: tuple[str, ...]
    takeout: Takeout
    order_of: dict[str, tuple[str, ...]]
    alias: tuple[Alias, ...]


@cache
def default_rules() -> SidecarRules:
    """The rules that come with the package."""
    return SidecarRules.model_validate(
        tomllib.loads(files(__package__).joinpath("sidecars.toml").read_text(encoding="utf-8"))
    )


_BASE = r"^(.+)\.[^.]+$"


def link_sidecars(sidecars: pl.DataFrame, media: pl.DataFrame, rules: SidecarRules | None = None) -> pl.DataFrame:
    """Find the file that each sidecar belongs to.

    In this order: the file's whole name with an extension added (`IMG.jpg.xmp`), letter case kept, then not; Google Takeout's ways
    to cut and number such names; the same name with another extension (`IMG.xmp`); another name from the table. Where several files
    fit, the order of kinds decides, then the name.

    Args:
        sidecars: `real_path`, `path`, `folder`, `name`, `extension`, `size`, `mtime_ns`.
        media: `real_path`, `name`, `extension`, `kind` of the photos and videos of the same source.
        rules: the package's own by default.

    Returns:
        `SIDECAR_SCHEMA`, sorted by real_path: `rule` is full_name, full_name_any_case, takeout, takeout_cut, same_name or alias.
    """
    rules = rules or default_rules()
    if sidecars.is_empty() or media.is_empty():
        return _finished(sidecars.with_columns(media_path=pl.lit(None, pl.Binary), rule=pl.lit(None, pl.String)))
    attached = _with_place(sidecars).with_columns(_base(pl.col("name")).alias("base"))
    carriers = _with_place(media.join(sidecars, on="folder", how="semi"))
    carriers = carriers.select(
        "place", "kind", "name", folded(pl.col("name")).alias("any_case"), media_path="real_path"
    )
    found = [
        _matches(rule, sidecar_side, media_side)
        for rule, sidecar_side, media_side in (
            ("full_name", _keyed(attached, pl.col("base")), _keyed(carriers, pl.col("name"))),
            ("full_name_any_case", _keyed(attached, folded(pl.col("base"))), _keyed(carriers, pl.col("any_case"))),
            *_takeout(attached, carriers, rules.takeout),
            ("same_name", _keyed(attached, folded(pl.col("base"))), _keyed(carriers, _base(pl.col("any_case")))),
            *(
                ("alias", _renamed(attached, alias), _keyed(carriers, _base(pl.col("any_case"))))
                for alias in rules.alias
            ),
        )
    ]
    best = _best(found, rules)
    return _finished(sidecars.join(best, on="real_path", how="left"))


def _base(name: pl.Expr) -> pl.Expr:
    """The name without its last extension."""
    return name.str.extract(_BASE).fill_null(name)


def _with_place(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the real folder: two folders may look the same (NFC and NFD) and be two."""
    return frame.with_columns(
        pl.Series("place", [path.rpartition(b"/")[0] for path in frame["real_path"]], dtype=pl.Binary)
    )


def _keyed(frame: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(key.alias("key")).filter(pl.col("key").is_not_null())


def _matches(rule: str, sidecars: pl.DataFrame, carriers: pl.DataFrame) -> pl.DataFrame:
    return (
        sidecars.select("place", "key", "real_path", "extension")
        .join(carriers.select("place", "key", "kind", "name", "media_path"), on=["place", "key"])
        .select("real_path", "extension", "kind", "name", "media_path", rule=pl.lit(rule))
    )


def _takeout(
    sidecars: pl.DataFrame, carriers: pl.DataFrame, takeout: Takeout
) -> list[tuple[str, pl.DataFrame, pl.DataFrame]]:
    own = sidecars.filter(pl.col("extension") == takeout.extension)
    number = r"\((\d+)\)$"
    numbered = own.with_columns(
        pl.col("base").str.extract(number).alias("number"), pl.col("base").str.replace(number, "").alias("base")
    )
    beginnings = "|".join(re.escape(takeout.suffix[:length]) for length in range(len(takeout.suffix), 0, -1))
    whole = pl.col("base").str.replace(f"(?:{beginnings})$", "")
    # The number of the second file stands before the extension there, and behind everything here.
    with_number = (
        pl.when(pl.col("number").is_null())
        .then(whole)
        .otherwise(
            pl.format("{}({}){}", _base(whole), pl.col("number"), whole.str.extract(r"(\.[^.]+)$").fill_null(""))
        )
    )
    full = (pl.col("name") + takeout.suffix).str.slice(0, takeout.longest_base)
    alone = _keyed(carriers, full).filter(pl.len().over("place", "key") == 1)
    cut = own.filter(pl.col("base").str.len_chars() >= takeout.longest_base)
    return [
        ("takeout", _keyed(numbered, folded(with_number)), _keyed(carriers, pl.col("any_case"))),
        ("takeout_cut", _keyed(cut, pl.col("base").str.slice(0, takeout.longest_base)), alone),
    ]


def _renamed(sidecars: pl.DataFrame, alias: Alias) -> pl.DataFrame:
    name = folded(pl.col("base"))
    own = sidecars.filter(pl.col("extension") == alias.extension, name.str.contains(alias.pattern))
    return _keyed(own, name.str.replace(alias.pattern, alias.name))


def _best(found: list[pl.DataFrame], rules: SidecarRules) -> pl.DataFrame:
    """The first match of each sidecar by rule, kind, name and path: a total order."""
    ranks = [
        (extension, kind, rank)
        for extension, order in {"": rules.order, **rules.order_of}.items()
        for rank, kind in enumerate(order)
    ]
    order = pl.DataFrame(ranks, schema={"ranks_of": pl.String, "kind": pl.String, "rank": pl.Int32}, orient="row")
    special = pl.when(pl.col("extension").is_in(list(rules.order_of))).then("extension").otherwise(pl.lit(""))
    numbered = [frame.with_columns(rule_rank=pl.lit(place)) for place, frame in enumerate(found)]
    return (
        pl.concat(numbered)
        .with_columns(ranks_of=special)
        .join(order, on=["ranks_of", "kind"], how="left")
        .sort("real_path", "rule_rank", "rank", "name", "media_path")
        .unique("real_path", keep="first", maintain_order=True)
        .select("real_path", "media_path", "rule")
    )


def _finished(sidecars: pl.DataFrame) -> pl.DataFrame:
    return sidecars.select([pl.col(name).cast(dtype) for name, dtype in SIDECAR_SCHEMA.items()]).sort("real_path")
