"""Immich's PostgreSQL, read and never written: every user's assets, what they belong to, and what changed since the last time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import polars as pl
from psycopg import sql
from pydantic import SecretStr

from immich_pipeline.immich import queries
from immich_pipeline.immich.catalog import read_catalog
from immich_pipeline.immich.contract import Contract, ContractCheck, SchemaDrift, compare
from immich_pipeline.immich.database_rows import as_records, conform
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.rights import Rights, read_rights
from immich_pipeline.immich.schema import ALBUM_SCHEMA, EXTRA_SCHEMA, OWNER_SCHEMA
from immich_pipeline.immich.session import Address, DatabaseUnreachable, Session
from immich_pipeline.immich.versions import ServerVersion
from immich_pipeline.immich.watermark import NOTHING, Watermark
from immich_pipeline.progress import Progress

__all__ = ["Contract", "DatabaseUnreachable", "ImmichDatabase", "Rights", "SchemaDrift", "Watermark"]

LIBRARY_SCHEMA: dict[str, pl.DataType] = {
    "library_id": pl.String(),
    "owner_id": pl.String(),
    "name": pl.String(),
    "import_paths": pl.List(pl.String()),
}
"""External libraries, deleted ones left out; `import_paths` as the server sees them."""

EMBEDDING_SCHEMA: dict[str, pl.DataType] = {"asset_id": pl.String(), "embedding": pl.List(pl.Float32())}
"""What a picture shows, as the server's own model put it into numbers; its length depends on that model."""

FACE_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "face_id": pl.String(),
    "person_id": pl.String(),
    "person_name": pl.String(),
    "x1": pl.Float64(),
    "y1": pl.Float64(),
    "x2": pl.Float64(),
    "y2": pl.Float64(),
    "source": pl.String(),
}
"""Faces found on pictures. `person_id` is a person's id, from 3.2 on that of a person group; `person_name` is null when nobody named
them. x and y are parts of the width and height, 0 to 1, null when the server did not note the picture's size. `source` is
machine-learning, exif or manual."""

_IDS_AT_ONCE = 10_000


class ImmichDatabase:
    """Immich's database through a role that needs to read only; sessions are opened read-only whatever the role may do.

    Every method opens its own session and first looks whether the tables are as one known version has them. Methods that read assets
    never read locked ones, nor those that Immich has marked as deleted for good.

    Args:
        url: where the database is, password included.
        timeout_seconds: how long one statement may take; of `records`, from the first row to the last, what the caller does in
            between included.

    Raises (every method):
        DatabaseUnreachable: nothing answers, the role is refused, or the connection was lost.
        SchemaDrift: the tables are not as any known version has them.
        ImmichError: the role may not read what is needed, or a statement took too long.
    """

    def __init__(self, url: SecretStr, *, timeout_seconds: float = 600) -> None:
        self._address = Address(url, timeout_seconds)

    def check(self) -> ContractCheck:
        """Which version's tables these are; does not raise SchemaDrift but says what is missing."""
        with self._address.session() as session:
            return compare(read_catalog(session))

    def server_version(self) -> ServerVersion | None:
        """The version that the server noted when it last started; None when it noted none that can be read."""
        with self._known() as (session, _):
            noted = session.read(queries.VERSION)["version"].to_list()
        try:
            return ServerVersion.parse(noted[0]) if noted else None
        except ImmichError:
            return None  # what is done with a version that cannot be read is the same as with an unknown one

    def rights(self) -> Rights:
        """What the role may do; `cannot_read` is of the nearest contract when none holds."""
        with self._address.session() as session:
            return read_rights(session, compare(read_catalog(session)).nearest)

    def now(self) -> datetime:
        """The database's clock."""
        with self._address.session() as session:
            moment: datetime = session.read(queries.NOW).item()
        return moment

    def owners(self) -> pl.DataFrame:
        """The server's users (OWNER_SCHEMA), in the order in which they were created."""
        with self._known() as (session, _):
            return conform(session.read(queries.OWNERS), OWNER_SCHEMA)

    def libraries(self) -> pl.DataFrame:
        """The external libraries (LIBRARY_SCHEMA), in the order in which they were created."""
        with self._known() as (session, _):
            return conform(session.read(queries.LIBRARIES), LIBRARY_SCHEMA)

    def records(
        self,
        owner_ids: Sequence[str],
        *,
        library_ids: Sequence[str] | None = None,
        album_ids: Sequence[str] | None = None,
        since: Watermark | None = None,
        rows: int = 50_000,
        total: int | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Read assets in one pass, all as of the same moment, in no particular order; memory is bounded by `rows`.

        Args:
            owner_ids: of these users; nothing is read when there are none.
            library_ids: of these external libraries, "uploads" for those in none; None: of all.
            album_ids: in one of these albums; None: whether in one or not.
            since: only those whose own row, EXIF row or stack was written since that watermark, or in the two minutes before it, so
                that some come again unchanged; with `album_ids` also those that were added. `deleted_since` tells what left.
            rows: the most rows of one frame.
            total: how many there will be, for the progress that is logged.

        Yields:
            Frames of RECORD_SCHEMA, none of them empty.

        Raises:
            ValueError: an id is not a uuid, or `library_ids` or `album_ids` is empty.
        """
        query = queries.records(queries.Scope(owner_ids, library_ids, album_ids), since)
        return self._stream_records(query, rows, total)

    def count(
        self,
        owner_ids: Sequence[str],
        *,
        library_ids: Sequence[str] | None = None,
        album_ids: Sequence[str] | None = None,
    ) -> dict[str, int]:
        """How many photos and videos `records` would read of each owner, zero included; owners as they were given."""
        query = queries.count(queries.Scope(owner_ids, library_ids, album_ids))
        with self._known() as (session, _):
            counted: dict[str, int] = dict(session.read(query).iter_rows())
        return {owner: counted.get(owner.lower(), 0) for owner in owner_ids}

    def locked_count(self, owner_ids: Sequence[str]) -> int:
        """How many locked assets there are, which are not read."""
        with self._known() as (session, _):
            return int(session.read(queries.locked_count(owner_ids)).item())

    def watermark(self) -> Watermark:
        """How far the tables have been written.

        Take it BEFORE reading with `records`, and keep it only when everything that was read is stored: a row that is written in
        between is then read twice; in the other order it would never be read.
        """
        with self._known() as (session, _):
            newest = session.read(queries.newest()).row(0, named=True)
            mark = Watermark(**{name: stamp or NOTHING for name, stamp in newest.items()})
            return replace(mark, window=session.read(queries.windows(mark)).item())

    def changed_since(self, watermark: Watermark) -> bool:
        """Whether anything that a snapshot depends on was written since; reads the ends of a few indexes."""
        return self.watermark() != watermark

    def deleted_since(
        self,
        watermark: Watermark,
        owner_ids: Sequence[str],
        *,
        library_ids: Sequence[str] | None = None,
        album_ids: Sequence[str] | None = None,
    ) -> list[str]:
        """The ids of assets that may have been read before the watermark and would not be now, sorted.

        Those are deleted assets, and those that were locked, or left the libraries or albums. Some of them may never have been in the
        scope. The server notes no deletion of assets that went with their user or their library: only reading everything tells.
        """
        query = queries.gone(queries.Scope(owner_ids, library_ids, album_ids), watermark)
        with self._known() as (session, _):
            return session.read(query)["asset_id"].sort().to_list()

    def albums(self, owner_ids: Sequence[str]) -> pl.DataFrame:
        """Which of the owners' assets are in which albums (ALBUM_SCHEMA); deleted albums are left out."""
        with self._known() as (session, contract):
            return conform(session.read(queries.albums(queries.Scope(owner_ids), contract)), ALBUM_SCHEMA)

    def extras(self, owner_ids: Sequence[str], since: Watermark | None = None) -> pl.DataFrame:
        """Burst and live photo ids (EXTRA_SCHEMA) of the owners' assets, `since` as in `records`.

        A changed asset that has no row here has neither id any longer.
        """
        with self._known() as (session, _):
            return conform(session.read(queries.extras(queries.Scope(owner_ids), since)), EXTRA_SCHEMA)

    def embeddings(self, asset_ids: Sequence[str]) -> pl.DataFrame:
        """The embeddings of pictures (EMBEDDING_SCHEMA); assets that have none are left out."""
        with self._known() as (session, _):
            frames = [session.read(queries.embeddings(ids)) for ids in _in_turn(asset_ids)]
        return conform(pl.concat(frames), EMBEDDING_SCHEMA)

    def faces(self, asset_ids: Sequence[str]) -> pl.DataFrame:
        """The faces on pictures (FACE_SCHEMA), deleted and hidden ones left out."""
        with self._known() as (session, contract):
            frames = [session.read(queries.faces(ids, contract)) for ids in _in_turn(asset_ids)]
        faces = conform(pl.concat(frames), FACE_SCHEMA)
        return faces.with_columns(pl.col("x1", "y1", "x2", "y2").clip(0.0, 1.0))

    @contextmanager
    def _known(self) -> Iterator[tuple[Session, Contract]]:
        with self._address.session() as session:
            yield session, compare(read_catalog(session)).require()

    def _stream_records(self, query: sql.Composable, rows: int, total: int | None) -> Iterator[pl.DataFrame]:
        progress = Progress("reading Immich's database", total, "assets")
        with self._known() as (session, contract):
            for frame in session.stream(query, rows):
                if frame.height:
                    yield as_records(frame, text_durations="duration-text" in contract.features)
                    progress.advance(frame.height)


def _in_turn(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of the ids that fit a statement; one empty part when there are none, so that the answer has its columns."""
    for start in range(0, max(len(ids), 1), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
