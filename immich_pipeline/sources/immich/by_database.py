"""Reading an Immich server from its PostgreSQL: every user in one pass."""

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from immich_pipeline.immich.database import ImmichDatabase
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.settings import ImmichSettings, Include
from immich_pipeline.immich.watermark import Watermark
from immich_pipeline.sources.immich.readers import Broken, Finished, Scope, refuse_unknown
from immich_pipeline.sources.immich.rows import UPLOADS, photos_and_videos

_SCOPE = "database"
_ALBUM_MARKS = ("album", "album_audit", "album_asset", "album_asset_audit", "album_user", "album_user_audit")


class DatabaseReader:
    """See `Reader`."""

    by = "database"

    def __init__(self, settings: ImmichSettings) -> None:
        """Take over the settings, which must name a database; nothing is asked yet."""
        if settings.database_url is None:
            raise ValueError("no database is configured")
        self.database = ImmichDatabase(settings.database_url)
        self._include = settings.include

    def scopes(self) -> list[Scope | Broken]:
        """All users in one scope, those that are not to be looked after left out."""
        try:
            owners = self.database.owners()
        except ImmichError as error:
            return [Broken(_SCOPE, "database", str(error))]
        users = list(self._include.users)
        refuse_unknown("users", users, [*owners["owner_id"], *owners["email"]])
        if self._include.libraries:
            known = self.database.libraries()["library_id"]
            refuse_unknown("libraries", self._include.libraries, [UPLOADS, *known])
        if users:
            owners = owners.filter(pl.col("owner_id").is_in(users) | pl.col("email").is_in(users))
        return [Scope(_SCOPE, "every user", dict(owners.select("owner_id", "email").iter_rows()))]

    def read(self, scope: Scope, cursor: str | None) -> "DatabaseReading":
        """See `Reader`."""
        return DatabaseReading(self.database, list(scope.owners), self._include, _watermark(cursor))

    def news(self, scope: Scope, cursor: str, stored: Callable[[pl.DataFrame], int]) -> str | None:
        """See `Reader`: whether any table has a newer row."""
        before = _watermark(cursor)
        if before is None:
            return "it was not read before"
        return "the database has newer rows" if self.database.changed_since(before) else None

    def close(self) -> None:
        """Nothing is kept open between questions."""


class DatabaseReading:
    """See `Reading`."""

    def __init__(
        self, database: ImmichDatabase, owners: Sequence[str], include: Include, before: Watermark | None
    ) -> None:
        self._database, self._owners, self._include = database, owners, include
        # Taken first: what is written from here on is read again by the next reading.
        self._mark = database.watermark()
        # The window tells of rows that were committed late, below the newest one.
        self._albums_changed = before is None or any(
            getattr(before, name) != getattr(self._mark, name) for name in (*_ALBUM_MARKS, "window")
        )
        # An asset that joins or leaves an album is not itself changed by that.
        self._before = None if include.albums and self._albums_changed else before
        self.full = self._before is None
        self._album_ids = _album_ids(database, owners, include) if include.albums else None
        self._libraries = list(include.libraries) or None
        self._left_out = 0
        self.tells_progress = True
        self.counted: int | None = self._count()

    def frames(self) -> Iterator[pl.DataFrame]:
        """See `Reading`."""
        records = self._database.records(
            self._owners, library_ids=self._libraries, album_ids=self._album_ids, since=self._before
        )
        for frame in records:
            kept = photos_and_videos(frame)
            self._left_out += frame.height - kept.height
            yield kept

    def finish(self) -> Finished:
        """See `Reading`."""
        database, owners = self._database, self._owners
        left_out = {"locked": database.locked_count(owners), "neither photo nor video": self._left_out}
        return Finished(
            cursor=self._mark.to_json(),
            server_assets=self._count(),
            deleted=self._deleted(),
            albums=database.albums(owners) if self._albums_changed else None,
            extras=database.extras(owners, since=self._before),
            left_out={reason: count for reason, count in left_out.items() if count},
        )

    def _count(self) -> int:
        scope = {"library_ids": self._libraries, "album_ids": self._album_ids}
        return sum(self._database.count(self._owners, **scope).values())

    def _deleted(self) -> tuple[str, ...]:
        """What left the scope: deleted for good, locked, or moved out of what is looked after."""
        if self._before is None:
            return ()
        scope = {"library_ids": self._libraries, "album_ids": self._album_ids}
        return tuple(self._database.deleted_since(self._before, self._owners, **scope))


def _album_ids(database: ImmichDatabase, owners: Sequence[str], include: Include) -> list[str]:
    wanted = list(include.albums)
    albums = database.albums(owners)
    refuse_unknown("albums", wanted, [*albums["album_id"], *albums["album_name"]])
    return (
        albums.filter(pl.col("album_id").is_in(wanted) | pl.col("album_name").is_in(wanted))["album_id"]
        .unique()
        .to_list()
    )


def _watermark(text: str | None) -> Watermark | None:
    if text is None:
        return None
    try:
        return Watermark.from_json(text)
    except ValueError:
        return None
