"""What is protected: what stands before other copies, and what is never given up at all."""

from collections.abc import Mapping, Sequence

import polars as pl

from immich_pipeline.policies import ProtectSettings

NEVER = "never_given_up"
"""Column: why a file is never given up, null where it may be."""

CHERISHED = "cherished"
"""Column: why a file stands before others although it may be given up, since what makes it dear goes over to the kept one."""


def protection_columns(protect: ProtectSettings, owners: Mapping[str, str] | None = None) -> dict[str, pl.Expr]:
    """``NEVER`` and ``CHERISHED`` of each file (String, null where nothing is to be said).

    Args:
        protect: The settings.
        owners: Names of the owners by id: the settings may use either.
    """
    named = {name.casefold() for name in protect.owners}
    ids = [owner for owner, name in (owners or {}).items() if name.casefold() in named]
    folder = folder_place(protect.folders).is_not_null()
    never = {
        "in a reference folder": folder,
        "in a reference library": pl.col("library_id").is_in(list(protect.libraries)),
        "of an owner of whom nothing is deleted": pl.col("owner").is_in([*protect.owners, *ids]),
        "tagged to be kept": _tagged(protect.tags),
    }
    rated = pl.col("rating") >= protect.rating if protect.rating is not None else pl.lit(value=False)
    cherished = {
        "favourite": pl.col("is_favorite") & pl.lit(protect.favourites),
        "well rated": rated,
        "in an album": (pl.col("albums") > 0) & pl.lit(protect.albums),
    }
    return {NEVER: _listed(never), CHERISHED: _listed(cherished)}


def folder_place(folders: Sequence[str]) -> pl.Expr:
    """The place (0, 1 …) of the first of these folders that the file lies in or below; null for none."""
    path = pl.col("path").fill_null("").str.strip_chars_start("/")
    within = [
        pl.when(path.str.starts_with(f"{folder.strip('/')}/" if folder.strip("/") else "")).then(place)
        for place, folder in enumerate(folders)
    ]
    return pl.coalesce([*within, pl.lit(None, pl.Int64)]).cast(pl.Int64)


def _tagged(tags: Sequence[str]) -> pl.Expr:
    tag = pl.element().str.to_lowercase()
    wanted = [name.lower() for name in tags]
    fits = [tag.is_in(wanted), *(tag.str.starts_with(f"{name}/") for name in wanted)]
    return pl.col("tags").list.eval(pl.any_horizontal(fits)).list.any()


def _listed(reasons: Mapping[str, pl.Expr]) -> pl.Expr:
    said = [pl.when(holds.fill_null(value=False)).then(pl.lit(why)) for why, holds in reasons.items()]
    text = pl.concat_str(said, separator=", ", ignore_nulls=True)
    return pl.when(text != "").then(text)
