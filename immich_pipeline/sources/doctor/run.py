"""The visit: the checks, side by side in three rounds, then what follows from them."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from immich_pipeline.config import Settings, config_file
from immich_pipeline.errors import UserError
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.sources.doctor.clean import Secrets
from immich_pipeline.sources.doctor.conclusions import conclude
from immich_pipeline.sources.doctor.database import look_at_database
from immich_pipeline.sources.doctor.facts import Facts, Key, Mounts
from immich_pipeline.sources.doctor.files import look_at_files
from immich_pipeline.sources.doctor.limits import CHEAP, THOROUGH, Limits
from immich_pipeline.sources.doctor.look import Look, Notes
from immich_pipeline.sources.doctor.mounts import (
    check_mappings,
    look_at_backup_folder,
    look_at_data_folder,
    look_at_folder,
    look_at_mapping,
    look_at_media_folder,
    may_be_written,
)
from immich_pipeline.sources.doctor.owners import look_at_albums, look_at_libraries, look_at_owners
from immich_pipeline.sources.doctor.report import Finding, Report
from immich_pipeline.sources.doctor.server import look_at_key, look_at_server, name_of, note_double_keys

Further = Callable[[Settings, Notes], None]
"""A check of a part that the doctor itself does not know."""


def run_doctor(settings: Settings, **further: Further) -> Report:
    """Look at everything that the settings name, and say what will work.

    Nothing is changed anywhere. Whatever fails is a finding. Every check is bounded in time, all of them together by four minutes.

    Args:
        settings: what is looked at.
        further: more checks, by the area of their findings.
    """
    return _visit(settings, THOROUGH, further)


def cheap_findings(settings: Settings, **further: Further) -> Report:
    """The same in less than ten seconds: no files are sampled, and servers have less time to answer."""
    return _visit(settings, CHEAP, further)


def settings_report(error: UserError) -> Report:
    """The report when the settings cannot be used: every problem that they have."""
    problems = str(error).split("; ")
    rows = tuple(Finding("settings", "settings", "problem", text) for text in problems)
    return Report(rows, (), can_work=False).without(Secrets())


def _visit(settings: Settings, limits: Limits, further: Mapping[str, Further]) -> Report:
    others = [Look(area, area, 2 * limits.step_seconds, partial(check, settings)) for area, check in further.items()]
    folder = Look("folders", str(settings.folder), limits.step_seconds, partial(look_at_folder, settings))
    disk = Look("disk", str(settings.home), limits.step_seconds, partial(look_at_data_folder, settings))
    writable = Look("folders", str(settings.folder), limits.step_seconds, lambda _: may_be_written(settings))
    backups = Look(
        "disk", str(settings.duplicates.backup.folder), limits.step_seconds, partial(look_at_backup_folder, settings)
    )
    found, facts = _visit_immich(settings.immich, limits) if settings.immich else ([], Facts())
    facts = replace(
        facts,
        folder_readable=bool(folder.wait()),
        folder_writable=bool(writable.wait()),
        backups_fit=bool(backups.wait()),
    )
    for other in others:
        other.wait()
    rows = [*_settings_rows(settings), *folder.rows, *disk.rows, *backups.rows, *found, *_rows(others)]
    features = conclude(settings, facts)
    can_work = any(
        item.name in ("snapshot", "folder of photos") and item.state in ("works", "partly") for item in features
    )
    return Report(tuple(rows), features, can_work).without(Secrets(settings))


def _settings_rows(settings: Settings) -> list[Finding]:
    file = config_file(os.environ)
    source = f"{file} and the environment" if file else "the environment; there is no configuration file"
    notes = Notes("settings")
    notes.ok("settings", f"read from {source}")
    immich = settings.immich
    if immich and immich.users and immich.url is None:
        notes.problem("immich.users", "there are API keys, but no url to use them with", "add immich.url")
    if immich and immich.read == "api" and immich.database_url:
        notes.warning("immich.read", "a database is named, but 'read: api' leaves it aside", "set read: auto")
    return notes.rows


def _visit_immich(settings: ImmichSettings, limits: Limits) -> tuple[list[Finding], Facts]:
    """Everything about the server: first itself, its database and the mounts, then the keys, then what needs all of these."""
    step = limits.step_seconds
    # The database has the time of two rounds: it is not asked in the second
    database = Look("database", "connection", 2 * step, partial(look_at_database, settings, limits))
    mounts = _Mounted(settings, step)
    server = Look("server", settings.url, step, partial(look_at_server, settings, limits)) if settings.url else None
    facts = Facts(server=server.wait() if server else None)
    rows = list(server.rows) if server else []
    keys, key_rows = _keys(settings, facts, limits)
    tables = database.wait()
    facts = replace(facts, keys=keys, tables=tables, mounts=mounts.facts())
    rows += [*key_rows, *database.rows]
    owners = Look("owners", "users", step, partial(look_at_owners, settings, keys, tables))
    facts = replace(facts, owners=owners.wait() or ())
    included = [
        Look("owners", "libraries", step, partial(look_at_libraries, settings, facts, limits)),
        Look("owners", "albums", step, partial(look_at_albums, settings, facts, limits)),
    ]
    files = None
    if limits.files_seconds and facts.owners:
        files = Look("files", "sample", limits.files_seconds, partial(look_at_files, settings, facts, limits))
        facts = replace(facts, files=files.wait())
    rows += [*owners.rows, *_rows(included), *mounts.rows(), *(files.rows if files else [])]
    return rows, facts


class _Mounted:
    """The looks at the mapped folders, one each: the others answer when one of the mounts is dead."""

    def __init__(self, settings: ImmichSettings, seconds: float) -> None:
        self._sound = Look("mounts", "paths", seconds, partial(check_mappings, settings))
        self._folders = [
            Look("mounts", f"{mapping.immich} -> {mapping.here}", seconds, partial(look_at_mapping, mapping))
            for mapping in settings.paths
        ]
        self._media = Look("mounts", "previews", seconds, partial(look_at_media_folder, settings))

    def facts(self) -> Mounts:
        sound = bool(self._sound.wait())
        readable = sum(bool(folder.wait()) for folder in self._folders) if sound else 0
        return Mounts(readable, len(self._folders) - readable, thumbs=sound and bool(self._media.wait()))

    def rows(self) -> list[Finding]:
        return _rows([self._sound, *self._folders, self._media])


def _keys(settings: ImmichSettings, facts: Facts, limits: Limits) -> tuple[tuple[Key, ...], list[Finding]]:
    notes = Notes("keys")
    names = [f"key of {name_of(user, number)}" for number, user in enumerate(settings.users)]
    if facts.server is None:
        for name in names:
            notes.warning(name, "not looked at, since the server cannot be used")
        return (), notes.rows
    looks = [
        Look("keys", name, limits.step_seconds, partial(look_at_key, settings, number, limits))
        for number, name in enumerate(names)
    ]
    keys = tuple(key for key in (look.wait() for look in looks) if key is not None)
    note_double_keys(keys, notes)
    return keys, [*_rows(looks), *notes.rows]


def _rows(looks: Iterable[Look[Any]]) -> list[Finding]:
    return [row for look in looks for row in look.rows]
