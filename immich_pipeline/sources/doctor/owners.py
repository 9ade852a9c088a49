"""Whose assets are looked after, and does everything that the settings include exist?"""

from collections.abc import Iterable, Sequence

import polars as pl

from immich_pipeline.immich.database import ImmichDatabase
from immich_pipeline.immich.search import SearchQuery
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.sources.doctor.facts import Facts, Key, Tables
from immich_pipeline.sources.doctor.limits import Limits
from immich_pipeline.sources.doctor.look import Notes
from immich_pipeline.sources.doctor.server import open_client

UPLOADS = "uploads"


def look_at_owners(
    settings: ImmichSettings, keys: Sequence[Key], tables: Tables | None, notes: Notes
) -> tuple[str, ...]:
    """The ids of the users who are looked after, sorted: the included ones whom the database or a key knows."""
    known = {key.user_id: (key.email, key.name) for key in keys}
    if tables is not None and tables.usable:
        known |= {
            owner: (email, name) for owner, email, name in tables.owners.select("owner_id", "email", "name").rows()
        }
    if tables is not None and tables.usable:
        _note_strangers(keys, set(tables.owners["owner_id"]), notes)
    owners = _included(settings.include.users, known, tables is not None and tables.usable, notes)
    for owner in owners:
        email, name = known[owner]
        own = [key.label for key in keys if key.user_id == owner]
        notes.ok(
            email,
            f"{name}, {owner}; " + (f"key: {', '.join(own)}" if own else "no key here: read from the database only"),
        )
    return tuple(owners)


def _note_strangers(keys: Sequence[Key], owners: set[str], notes: Notes) -> None:
    for key in keys:
        if key.user_id not in owners:
            notes.problem(
                key.email,
                "the server knows this user, the database does not: they are of two different servers, or one is an old copy",
                "name the database that this server uses",
            )


def _included(
    wanted: Sequence[str],
    known: dict[str, tuple[str, str]],
    everyone_known: bool,
    notes: Notes,
) -> list[str]:
    if not wanted:
        return sorted(known)
    by_name = {owner: owner for owner in known} | {email: owner for owner, (email, _) in known.items()}
    folded = {name.casefold(): name for name in by_name}
    found = []
    for name in wanted:
        if name in by_name:
            found.append(by_name[name])
            continue
        if name.strip().casefold() in folded:
            notes.problem(name, "is included, but is spelt differently", f"write {folded[name.strip().casefold()]}")
            continue
        there = ", ".join(sorted(email for email, _ in known.values())) or "nobody"
        if everyone_known:
            notes.problem(name, "is included, but no user of the server", f"correct include.users; there are: {there}")
        else:
            notes.problem(
                name,
                f"is included, but no working key here is theirs (there are keys of: {there})",
                "add a key of this user",
            )
    return sorted(set(found))


def look_at_libraries(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> None:
    """Check that the included libraries exist."""
    tables = facts.tables
    wanted = [library for library in settings.include.libraries if library != UPLOADS]
    if not wanted:
        return
    in_database = tables is not None and tables.usable
    known: set[str] = set(tables.libraries["library_id"]) if tables is not None and tables.usable else set()
    for library in wanted:
        if library.lower() in known or (not in_database and _has_assets(settings, facts.keys, library, limits)):
            notes.ok(f"library {library}", "is there")
        else:
            notes.problem(
                f"library {library}",
                "is included, but is not on the server"
                if in_database
                else "is included, but no key here sees an asset in it",
                "correct include.libraries: ids are in the address of the library's page in Immich's administration",
            )


def _has_assets(settings: ImmichSettings, keys: Sequence[Key], library: str, limits: Limits) -> bool:
    for key in keys:
        with open_client(settings, settings.users[key.number].api_key, limits) as client:
            pages = client.search(SearchQuery(library_id=library.lower(), size=1))
            if any(not page.is_empty() for page in _first(pages)):
                return True
    return False


def look_at_albums(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> None:
    """Check that the included albums exist."""
    if not settings.include.albums:
        return
    known: set[str] = set()
    if facts.tables is not None and facts.tables.usable and settings.database_url:
        database = ImmichDatabase(settings.database_url, timeout_seconds=max(1, int(limits.step_seconds) - 1))
        for column in database.albums(facts.owners).select(pl.col("album_id", "album_name").unique().implode()).row(0):
            known |= set(column)
    else:
        for key in facts.keys:
            with open_client(settings, settings.users[key.number].api_key, limits) as client:
                known |= {text for album in client.albums() for text in (album.id, album.name)}
    for album in settings.include.albums:
        if album in known or album.lower() in known:
            notes.ok(f"album {album}", "is there")
        else:
            notes.problem(
                f"album {album}", "is included, but no such album has assets", "correct include.albums: name or id"
            )


def _first(pages: Iterable[pl.DataFrame]) -> list[pl.DataFrame]:
    """The first page, if there is one; the rest is not asked for."""
    return [page for page, _ in zip(pages, range(1), strict=False)]
