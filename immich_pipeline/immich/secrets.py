"""Secrets come from the environment or from files, never from the configuration file itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Place = tuple[str | int, ...]
"""Where something stands in a part of the configuration, e.g. ("users", 0, "api_key_env") in `immich`."""

_LONGEST = 10_000


def with_environment(given: object, environment: Mapping[str, str]) -> object:
    """The `immich` part of the configuration file (None if there is none), completed by IMMICH_* variables.

    The address and the database in the environment win over the file's. A key in the environment counts when the file names no user.
    """
    if given is not None and not isinstance(given, Mapping):
        return given
    values = dict(given or {})
    if environment.get("IMMICH_URL"):
        values["url"] = environment["IMMICH_URL"]
    for variable, name in (
        ("IMMICH_DATABASE_URL", "database_url_env"),
        ("IMMICH_DATABASE_URL_FILE", "database_url_file"),
    ):
        if environment.get(variable):
            values = {key: value for key, value in values.items() if not key.startswith("database_url")}
            values[name] = variable if name.endswith("_env") else environment[variable]
    if not values.get("users"):
        keys = [("IMMICH_API_KEY", "api_key_env"), ("IMMICH_API_KEY_FILE", "api_key_file")]
        users = [
            {name: variable if name.endswith("_env") else environment[variable]}
            for variable, name in keys
            if environment.get(variable)
        ]
        if users:
            values["users"] = users[:1]
    return values or None


def resolve(given: object, environment: Mapping[str, str]) -> tuple[object, list[tuple[Place, str]]]:
    """Replace what names a secret (`api_key_env`, `api_key_file`, `database_url_env`, `database_url_file`) by the secret.

    Args:
        given: the `immich` or the `sharing` part of the configuration; None if there is none.
        environment: where variables are looked up.

    Returns:
        The values for `ImmichSettings` or `SharingSettings`, and every problem with its place.
    """
    if not isinstance(given, Mapping):
        return given, []
    problems: list[tuple[Place, str]] = []
    values = _resolved(given, "database_url", (), environment, problems)
    users = values.get("users")
    if isinstance(users, list):
        values["users"] = [
            _resolved(user, "api_key", ("users", number), environment, problems) if isinstance(user, Mapping) else user
            for number, user in enumerate(users)
        ]
    return values, problems


def _resolved(
    part: Mapping[str, Any],
    secret: str,
    place: Place,
    environment: Mapping[str, str],
    problems: list[tuple[Place, str]],
) -> dict[str, Any]:
    values = {key: value for key, value in part.items() if key not in (secret, f"{secret}_env", f"{secret}_file")}
    if secret in part:
        problems.append(
            (
                (*place, secret),
                f"a secret must not stand in the file: use {secret}_env (a variable) or {secret}_file (a file)",
            )
        )
        return values | {secret: "x"}  # so that its absence is not reported as well
    found = dict(_found(part, secret, place, environment, problems))
    if len(found) > 1:
        problems.append(((*place, f"{secret}_file"), f"{secret}_env and {secret}_file are both given: leave one out"))
    if not found and place:
        problems.append((place, f"names no key: give {secret}_env (a variable) or {secret}_file (a file)"))
        found = {secret: "x"}
    return values | ({secret: next(iter(found.values()))} if found else {})


def _found(
    part: Mapping[str, Any],
    secret: str,
    place: Place,
    environment: Mapping[str, str],
    problems: list[tuple[Place, str]],
) -> Iterator[tuple[str, str]]:
    """The secret by each way that is given; what is wrong with a way goes to `problems`."""
    variable = part.get(f"{secret}_env")
    if variable is not None:
        value = environment.get(str(variable), "").strip()
        if not value:
            problems.append(((*place, f"{secret}_env"), f"the environment variable {variable} is not set"))
        yield "env", value or "x"
    file = part.get(f"{secret}_file")
    if file is not None:
        value, problem = _read(Path(str(file)).expanduser())
        if problem:
            problems.append(((*place, f"{secret}_file"), problem))
        yield "file", value or "x"


def _read(path: Path) -> tuple[str, str | None]:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        return "", f"cannot read the file {path} ({reason})"
    if not text or "\n" in text:
        return "", f"the file {path} must hold the secret, and nothing else, on one line"
    return text, None
