"""Is the server there, what is it, what time does it have, and who are the keys?"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.permissions import EVERYTHING, FEATURES, missing
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline.sources.doctor.clock import compare_clocks
from immich_pipeline.sources.doctor.facts import Key, Server
from immich_pipeline.sources.doctor.limits import Limits
from immich_pipeline.sources.doctor.look import Notes

_KEY_PAGE = "Account settings > API keys"
_UNAUTHORISED = 401


def open_client(settings: ImmichSettings, key: SecretStr, limits: Limits) -> ImmichClient:
    """A client that gives up early: the doctor tells what is wrong, and does not wait for it to go away."""
    return ImmichClient(
        settings.url or "",
        key,
        tls=settings.tls,
        requests_per_second=settings.requests_per_second,
        concurrency=settings.concurrency,
        timeout_seconds=min(settings.timeout_seconds, limits.request_seconds),
        retries=limits.retries,
    )


def look_at_server(settings: ImmichSettings, limits: Limits, notes: Notes) -> Server | None:
    """Reach the server and learn its version, by what it tells everybody.

    Raises:
        Unreachable: it does not answer, or is no Immich.
    """
    if settings.tls.verify is False:
        notes.warning(
            "encryption",
            "the server's certificate is not checked (tls.verify is false): anyone on the way can read the keys and the pictures",
            "name the certificate authority with tls.ca_file, and remove 'verify: false'",
        )
    elif settings.url and settings.url.startswith("http://"):
        notes.ok("encryption", "none (http): fine in a network that you trust, not across the internet")
    key = settings.users[0].api_key if settings.users else SecretStr("none")
    with open_client(settings, key, limits) as client:
        before = datetime.now(UTC)
        client.ping()
        after = datetime.now(UTC)
        version, support = client.version(), client.support()
        if support.note:
            notes.warning(str(settings.url), support.note)
        else:
            notes.ok(str(settings.url), f"answers; Immich {version}")
        theirs, trash_days = client.server_time(), _trash_days(client)
    if theirs is not None:
        compare_clocks("the server", theirs, before, after, notes)
    return Server(version, support, trash_days)


def _trash_days(client: ImmichClient) -> int | None:
    try:
        return client.trash_days()
    except ApiError:  # nothing but resolving duplicates needs it, and that asks again
        return None


def name_of(user: ImmichUser, number: int) -> str:
    """What to call a configured user before the server has said who it is."""
    return user.label or f"user {number + 1}"


def look_at_key(settings: ImmichSettings, number: int, limits: Limits, notes: Notes) -> Key | None:
    """Whose key it is, and which of the permissions that a feature of ours needs it lacks.

    Raises:
        ImmichError: the server could not be asked.
    """
    user = settings.users[number]
    label = name_of(user, number)
    with open_client(settings, user.api_key, limits) as client:
        try:
            me = client.me()
            info = client.key()
        except ApiError as error:
            notes.problem(f"key of {label}", str(error), _remedy(error, label))
            return None
    key = Key(number, label, me.id.lower(), me.email, me.name, me.is_admin, frozenset(info.permissions))
    whose = f"{me.name} <{me.email}>{', an administrator' if me.is_admin else ''}; key '{info.name}'"
    lacking = lacking_permissions(key, settings)
    if not lacking:
        has = "all permissions that are needed" + (" to read, and none to change anything" if key.reads_only else "")
        has = "every permission" if EVERYTHING in key.permissions else has
        notes.ok(f"key of {label}", f"belongs to {whose}; has {has}")
        return key
    needed = ", ".join(f"{name} (for {', '.join(features)})" for name, features in lacking.items())
    text = f"belongs to {whose}; has {len(key.permissions)} permissions, lacks {needed}"
    notes.problem(f"key of {label}", text, grant_remedy(list(lacking), label))
    return key


def lacking_permissions(key: Key, settings: ImmichSettings) -> dict[str, list[str]]:
    """The permissions that a key lacks, each with the features that need it."""
    found: dict[str, list[str]] = defaultdict(list)
    for feature in wanted_features(key, settings):
        for permission in missing(key.permissions, feature):
            found[permission].append(feature)
    return dict(sorted(found.items()))


def wanted_features(key: Key, settings: ImmichSettings) -> list[str]:
    """The features that a key is to be good for.

    Downloads only where the settings allow them, what takes an administrator only for those, changes unless the key is one for reading.
    """
    return [
        feature.name
        for feature in FEATURES.values()
        if (key.is_admin or not feature.admin)
        and not (feature.writes and key.reads_only)
        and (settings.originals == "download" or feature.name != "originals")
    ]


def grant_remedy(permissions: Sequence[str], label: str) -> str:
    """How a user gives permissions to their key."""
    return f"in Immich, as {label}: {_KEY_PAGE}, edit the key and tick {', '.join(permissions)}"


def note_double_keys(keys: Sequence[Key], notes: Notes) -> None:
    """Tell of users who have two keys here."""
    by_user: dict[str, list[Key]] = defaultdict(list)
    for key in keys:
        by_user[key.user_id].append(key)
    for same in by_user.values():
        if len(same) > 1:
            notes.problem(
                f"keys of {same[0].email}",
                f"{' and '.join(key.label for key in same)} are keys of one user: only the first is used",
                "leave the others out, or replace them by keys of the users that were meant",
            )


def _remedy(error: ApiError, label: str) -> str:
    if error.missing_permission:
        return grant_remedy([error.missing_permission], label)
    if error.status == _UNAUTHORISED:
        return f"in Immich, as {label}: {_KEY_PAGE}, make a new key and put it where the settings say"
    return "see the server's log"
