"""Second opinions of Immich servers on duplicates: their own groups, and their model's view of the pictures where it can be read."""

from collections.abc import Mapping

import polars as pl
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.dedup.opinions import OPINION_SCHEMA, RECORDS_SCHEMA, opinions
from immich_pipeline.immich.database import ImmichDatabase
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.progress import Progress, logger
from immich_pipeline.store.frames import Frames

_RECORDS = """
    SELECT r.asset_id::text AS asset_id, a.owner, r.duplicate_id::text AS duplicate_id
    FROM library.immich_record r JOIN library.live_asset a USING (asset_id) ORDER BY r.asset_id"""

# Distances stand as long as the group has the representative that they were measured to.
_KNOWN = """
    SELECT o.group_id, o.asset_id::text AS asset_id, o.clip_distance, m.asset_id::text AS representative
    FROM duplicates.opinion o JOIN duplicates.duplicate_member m ON m.group_id = o.group_id AND m.is_representative
    WHERE o.clip_distance IS NOT NULL"""

NO_RECORDS = pl.DataFrame(schema=RECORDS_SCHEMA)
MEMBERS_AT_ONCE = 20_000
"""Members whose embeddings are read in one go: 40 MB with 512 numbers each."""


def duplicate_records(frames: Frames) -> pl.DataFrame:
    """What servers say of their live assets (`dedup.opinions.RECORDS_SCHEMA`): which duplicate group each is in, by its owner here."""
    return _typed(frames.read(_RECORDS), RECORDS_SCHEMA)


def second_opinions(frames: Frames, settings: Settings, members: pl.DataFrame) -> pl.DataFrame:
    """What the servers say of the members of duplicate groups (`dedup.opinions.OPINION_SCHEMA`).

    Embeddings are read where the server's database is read at all, in parts of bounded size. A distance that is stored for the same
    member of the same group with the same representative is not read again: ask before the new groups are written. When the database
    cannot be read, a warning is logged and the distances stay unknown: a second opinion is worth no failure.

    Args:
        frames: the transaction.
        settings: for the server's database.
        members: `dedup.schema.MEMBER_SCHEMA`.
    """
    records = duplicate_records(frames)
    told = opinions(members, records, None).drop("clip_distance")
    known = _known(frames, members)
    fresh = _read_distances(settings, _to_read(members, records, known))
    distances = _typed(pl.concat([fresh, known.select(fresh.columns)], how="vertical_relaxed"), fresh.schema)
    return told.join(distances, on=["group_id", "asset_id"], how="left", maintain_order="left").select(
        OPINION_SCHEMA.keys()
    )


def _typed(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return frame.select([pl.col(column).cast(dtype) for column, dtype in schema.items()])


def _known(frames: Frames, members: pl.DataFrame) -> pl.DataFrame:
    """``group_id``, ``asset_id`` and ``clip_distance`` of the members whose distance is stored and stands."""
    centres = members.filter("is_representative").select("group_id", representative="asset_id")
    stored = frames.read(_KNOWN).join(centres, on=["group_id", "representative"], how="semi")
    return stored.join(members, on=["group_id", "asset_id"], how="semi").drop("representative")


def _to_read(members: pl.DataFrame, records: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The members to compare with their representatives, and these; both are the server's."""
    on_server = members.join(records, on="asset_id", how="semi")
    centres = on_server.filter("is_representative")
    others = on_server.filter(~pl.col("is_representative")).join(known, on=["group_id", "asset_id"], how="anti")
    others = others.join(centres, on="group_id", how="semi")
    return pl.concat([centres.join(others, on="group_id", how="semi"), others]).sort("group_id", "asset_id")


def _read_distances(settings: Settings, members: pl.DataFrame) -> pl.DataFrame:
    """``group_id``, ``asset_id`` and ``clip_distance`` of the members that could be compared."""
    columns = ["group_id", "asset_id", "clip_distance"]
    found = [pl.DataFrame(schema=OPINION_SCHEMA).select(columns)]
    url = _database_url(settings)
    if url is None or members.is_empty():
        return found[0]
    database, progress = ImmichDatabase(url), Progress("comparing what pictures show", members.height, "pictures")
    try:
        for part in _whole_groups(members):
            embeddings = database.embeddings(part["asset_id"].to_list())
            compared = opinions(part, NO_RECORDS, embeddings).select(columns)
            found.append(compared.filter(pl.col("clip_distance").is_not_null()))
            progress.advance(part.height)
    except ImmichError as error:
        logger.warning("the server's own view of duplicates is not known: %s", error)
    return pl.concat(found)


def _database_url(settings: Settings) -> SecretStr | None:
    """Where the server's database is; None where it is not to be read."""
    server = settings.immich
    return None if server is None or server.read == "api" else server.database_url


def _whole_groups(members: pl.DataFrame) -> list[pl.DataFrame]:
    """Parts of about ``MEMBERS_AT_ONCE`` rows that no group is split between; a larger group is a part of its own."""
    sizes = members.group_by("group_id", maintain_order=True).len()
    part = (pl.col("len").cum_sum() - 1) // MEMBERS_AT_ONCE
    numbered = members.join(sizes.select("group_id", part=part), on="group_id", maintain_order="left")
    return numbered.partition_by("part", maintain_order=True, include_key=False)
