"""What will work and what will not, with the reason and the remedy: concluded from everything that was found."""

from immich_pipeline.config import Settings
from immich_pipeline.immich.permissions import FEATURES, missing
from immich_pipeline.immich.permissions import Feature as Permitted
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.sources.doctor.facts import Facts, Key, Server
from immich_pipeline.sources.doctor.report import ABOVE, Feature
from immich_pipeline.sources.doctor.server import grant_remedy, name_of

_ADD_KEYS = "add the server's url and one API key per user to the settings"
_BY_DATABASE_TOO = frozenset({"albums", "stacks"})
_OF_THEIR_OWN = frozenset({"snapshot", "pictures", "originals", "resolving"})
_SEES = frozenset({"smart_search", "asset_face", "person"})
_LABELS = {
    "changes": "changes of assets",
    "stacking": "making stacks",
    "album-changes": "changes of albums",
    "duplicates": "Immich's own duplicates",
    "resolving": "resolving duplicates",
    "uploading": "undoing after a purge",
    "sharing-setup": "setting up sharing",
}


def conclude(settings: Settings, facts: Facts) -> tuple[Feature, ...]:
    """The table of features."""
    found = []
    if settings.folder is not None:
        found.append(
            Feature("folder of photos", "works", f"{settings.folder}: snapshot, hashes, pictures")
            if facts.folder_readable
            else Feature("folder of photos", "no", f"{settings.folder} cannot be read", ABOVE)
        )
        found.append(in_folder(settings, facts))
    immich = settings.immich
    if immich is None:
        return tuple(found)
    found += [snapshot(immich, facts), full_hashes(immich, facts), perceptual_hashes(immich, facts)]
    found += [by_keys(immich, facts, feature) for feature in FEATURES.values() if feature.name not in _OF_THEIR_OWN]
    found.append(resolving(settings, immich, facts))
    found.append(seen_by_immich(immich, facts))
    return tuple(found)


def in_folder(settings: Settings, facts: Facts) -> Feature:
    """Whether duplicates in the folder of photos can be moved to its quarantine."""
    name = "duplicates in folders"
    if not facts.folder_readable:
        return Feature(name, "no", f"{settings.folder} cannot be read", ABOVE)
    if not facts.folder_writable:
        reason = f"{settings.folder} may only be read: duplicates are shown, none is moved"
        return Feature(
            name, "off", reason, "let this user write to it, if duplicates are to be moved to the quarantine"
        )
    return Feature(name, "works", f"can be moved to {settings.duplicates.quarantine} in {settings.folder}")


def resolving(settings: Settings, immich: ImmichSettings, facts: Facts) -> Feature:
    """Whether duplicates on the server can be resolved: the keys may, there is a trash, and there is a way to make the backups."""
    found = by_keys(immich, facts, FEATURES["resolving"])
    if found.state not in ("works", "partly"):
        return found
    if facts.server is not None and facts.server.trash_days == 0:
        reason = "the server's trash is switched off: what is put into it would be deleted for good"
        return Feature(found.name, "no", reason, "in Immich, as an administrator: Administration > Settings > Trash")
    if not settings.duplicates.backup.required:
        return found
    if not facts.backups_fit:
        return Feature(found.name, "no", "copies cannot be written to the backup folder", ABOVE)
    mounted = facts.mounts.readable > 0 and not _amiss(facts)
    unable = [key for key in facts.keys if key.user_id in facts.owners and missing(key.permissions, "originals")]
    if mounted or not unable:
        return found
    lacks, remedy = _lacks(unable[0], "originals")
    reason = f"{found.reason}; but no copy can be made of files that are not mounted here: {lacks}"
    # Where it is only shown what would be done, nothing fails.
    is_wanted = settings.duplicates.mode != "plan"
    return Feature(found.name, "partly" if is_wanted else "off", reason, f"mount Immich's folders here, or {remedy}")


def snapshot(settings: ImmichSettings, facts: Facts) -> Feature:
    """Whether the library can be read: from the database when it is named and looks as known, else through the API."""
    asked = settings.database_url is not None and settings.read != "api"
    if asked and facts.tables and facts.tables.usable:
        found = _snapshot_from_database(facts)
    elif settings.read == "database":
        found = Feature(
            "snapshot", "no", "the database cannot be used, and 'read: database' leaves nothing else", ABOVE
        )
    else:
        found = _snapshot_through_api(settings, facts, "the database cannot be used" if asked else "")
    lost = len(set(settings.include.users)) - len(facts.owners)
    if found.state != "works" or lost <= 0:
        return found
    return Feature(found.name, "partly", f"{found.reason}; {lost} of the included users cannot be read", ABOVE)


def _snapshot_from_database(facts: Facts) -> Feature:
    if not facts.owners:
        return Feature("snapshot", "no", "none of the included users is on the server", ABOVE)
    return Feature("snapshot", "works", f"from the database, {_users(len(facts.owners))}")


def _snapshot_through_api(settings: ImmichSettings, facts: Facts, why_not_database: str) -> Feature:
    if not has_api(settings):
        return Feature("snapshot", "no", f"{why_not_database}, and no API key is configured", _ADD_KEYS)
    if facts.server is None:
        reasons = filter(None, [why_not_database, "the server cannot be used"])
        return Feature("snapshot", "no", "; ".join(reasons), ABOVE)
    way = f"through the API, since {why_not_database}" if why_not_database else "through the API"
    return _for_keys("snapshot", "snapshot", settings, facts, way)


def full_hashes(settings: ImmichSettings, facts: Facts) -> Feature:
    """Whether whole files can be read."""
    name = "full-file hashes"
    if settings.originals == "never":
        reason = "'originals: never': uploads are told apart by the SHA-1 that Immich has"
        return Feature(name, "off", reason, "set originals: mount")
    amiss = _amiss(facts)
    if facts.mounts.readable and not amiss:
        files = facts.files
        tried = (
            f"{files.same} of {files.looked_at} files tried are as Immich says" if files else "not tried on any file"
        )
        return Feature(name, "works", f"from the mounted folders; {tried}")
    if settings.originals == "download" and has_api(settings) and facts.server is not None:
        return _for_keys(name, "originals", settings, facts, "from the mounted folders and through the API")
    if not settings.paths and settings.originals == "mount":
        reason = "no folder of Immich's is mapped: only uploads are told apart, by the SHA-1 that Immich has"
        return Feature(name, "off", reason, "map Immich's folders under 'paths', or set originals: download")
    some = facts.mounts.readable > 0 and (facts.files is None or facts.files.same > 0)
    reason = "; ".join(amiss) or "no folder is mapped, and nothing can be downloaded"
    return Feature(name, "partly" if some else "no", reason, ABOVE)


def _amiss(facts: Facts) -> list[str]:
    """What stands in the way of reading every file from a mount."""
    found = []
    if facts.mounts.broken:
        found.append(f"{facts.mounts.broken} of the mapped folders cannot be used")
    if facts.files and facts.files.outside:
        found.append(f"{facts.files.outside:,} of the assets looked at lie outside of the mapped folders")
    if facts.files and facts.files.same < facts.files.looked_at:
        wrong = facts.files.looked_at - facts.files.same
        found.append(f"{wrong} of {facts.files.looked_at} files tried are not as Immich says")
    return found


def perceptual_hashes(settings: ImmichSettings, facts: Facts) -> Feature:
    """Whether pictures can be compared: by Immich's previews, mounted or through the API."""
    name = "perceptual hashes"
    if facts.mounts.thumbs and (facts.files is None or facts.files.previews):
        return Feature(name, "works", "from previews in the mounted media folder")
    if not has_api(settings):
        reason = "no previews: the media folder is not read here and no API key is configured"
        return Feature(name, "off", reason, f"map {settings.media_location} under 'paths', or {_ADD_KEYS}")
    if facts.server is None:
        return Feature(name, "no", "the media folder is not read here, and the server cannot be used", ABOVE)
    return _for_keys(name, "pictures", settings, facts, "from previews through the API")


def by_keys(settings: ImmichSettings, facts: Facts, feature: Permitted) -> Feature:
    """Whether something that takes the API will work, and for whom."""
    name = _LABELS.get(feature.name, feature.name)
    if feature.name in _BY_DATABASE_TOO and settings.read != "api" and facts.tables and facts.tables.usable:
        return Feature(name, "works", "from the database")
    if not has_api(settings):
        return Feature(name, "off", f"needs the API to {feature.use}, and no key is configured", _ADD_KEYS)
    if facts.server is None:
        return Feature(name, "no", "the server cannot be used", ABOVE)
    if feature.writes and (only_read := _only_read(name, feature, facts, facts.server)):
        return only_read
    if feature.admin:
        return _for_administrators(name, feature, facts)
    return _for_keys(name, feature.name, settings, facts, "through the API")


def _only_read(name: str, feature: Permitted, facts: Facts, server: Server) -> Feature | None:
    """Why nothing can be changed at all: the server's version is not known, or every key is for reading."""
    if not server.support.can_write:
        reason = server.support.note or f"Immich {server.version} is only read"
        return Feature(name, "no", reason, "install a version of immich-pipeline that knows this Immich")
    if facts.keys and all(key.reads_only for key in facts.keys):
        permissions = sorted(feature.permissions)
        return Feature(name, "off", "the keys are for reading only", grant_remedy(permissions, facts.keys[0].label))
    return None


def _for_administrators(name: str, feature: Permitted, facts: Facts) -> Feature:
    """Works when one key of an administrator is good for it."""
    admins = [key for key in facts.keys if key.is_admin and not (feature.writes and key.reads_only)]
    able = [key for key in admins if not missing(key.permissions, feature.name)]
    if able:
        return Feature(name, "works", f"with the key of {able[0].label}")
    if admins:
        return Feature(name, "no", *_lacks(admins[0], feature.name))
    return Feature(name, "off", f"needs an administrator's key to {feature.use}", "add the key of an administrator")


def seen_by_immich(settings: ImmichSettings, facts: Facts) -> Feature:
    """Whether embeddings and faces can be read, which only the database has."""
    name = "embeddings and faces"
    if settings.database_url is None or settings.read == "api":
        return Feature(name, "off", "only the database has them", "name a database_url, of a role that may only read")
    if facts.tables is None or not facts.tables.usable:
        return Feature(name, "no", "the database cannot be used", ABOVE)
    hidden = sorted(_SEES & facts.tables.cannot_read)
    if hidden:
        return Feature(name, "no", f"the role may not read {', '.join(hidden)}", ABOVE)
    return Feature(name, "works", "from the database")


def _for_keys(name: str, feature: str, settings: ImmichSettings, facts: Facts, way: str) -> Feature:
    """Works when every configured key is good for it, partly when some are."""
    writes = FEATURES[feature].writes
    keys = [key for key in facts.keys if key.user_id in facts.owners and not (writes and key.reads_only)]
    able = [key for key in keys if not missing(key.permissions, feature)]
    unable = [key for key in keys if key not in able]
    answered = {key.number for key in facts.keys}
    failed = [name_of(user, number) for number, user in enumerate(settings.users) if number not in answered]
    if able and not unable and not failed:
        return Feature(name, "works", f"{way}, {_users(len({key.user_id for key in able}))}")
    without = ", ".join([key.label for key in unable] + failed)
    none = f"no key is good for it ({without or 'none is of an included user'})"
    reason = f"{way}, but not for {without}" if able else none
    if unable:
        lacks, remedy = _lacks(unable[0], feature)
        return Feature(name, "partly" if able else "no", f"{reason}: {lacks}", remedy)
    return Feature(name, "partly" if able else "no", reason, ABOVE)


def _lacks(key: Key, feature: str) -> tuple[str, str]:
    lacking = missing(key.permissions, feature)
    return f"the key of {key.label} lacks {', '.join(lacking)}", grant_remedy(lacking, key.label)


def has_api(settings: ImmichSettings) -> bool:
    """Whether the API can be asked at all: there is an address, and a key."""
    return bool(settings.url and settings.users)


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"
