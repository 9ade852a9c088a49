"""Text that came from a server, a database or a file system, made fit to be shown: no secrets, no control characters."""

from typing import Any
from urllib.parse import quote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from immich_pipeline.config import Settings

_LONGEST = 4_000
_SHORTEST_SECRET = 6  # anything shorter is found in ordinary words
_HIDDEN = "***"


class Secrets:
    """Every secret of the settings, so that none of them is shown whatever a message quotes."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._secrets = sorted(set(_of(settings)) if settings else (), key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Secrets({len(self._secrets)})"

    def clean(self, text: str) -> str:
        """The text without secrets and unprintable characters, cut to a length that a table bears."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = "".join(mark if mark.isprintable() or mark == "\n" else "\N{REPLACEMENT CHARACTER}" for mark in text)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

    def cleaned(self, values: dict[str, Any]) -> dict[str, Any]:
        """Every value cleaned; only what there is to do may take several lines."""
        return {
            name: self.clean(value if name == "remedy" else value.replace("\n", " ")) for name, value in values.items()
        }


def _of(settings: Settings) -> list[str]:
    urls = [settings.database_url] if settings.database_url else []
    found: list[str] = []
    if settings.immich:
        found += [user.api_key.get_secret_value() for user in settings.immich.users]
        if settings.immich.database_url:
            urls.append(settings.immich.database_url.get_secret_value())
    if settings.sharing.database_url:
        urls.append(settings.sharing.database_url.get_secret_value())
    found = [secret for secret in found if len(secret) >= _SHORTEST_SECRET]
    for url in urls:
        found += _of_url(url)
    return found


def _of_url(url: str) -> list[str]:
    """The parts of a database address that must not be seen. A password that is also a name in it cannot be told from that name."""
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    except ProgrammingError:
        return [url]
    password = parts.pop("password", "")
    parts.pop("sslpassword", "")
    found = [url] if password else []
    if password:
        found += [f":{form}@" for form in (password, quote(password, safe=""))]
        found += [f"password={form}" for form in (password, quote(password, safe=""), repr(password))]
    if len(password) >= _SHORTEST_SECRET and password not in parts.values():
        found += [password, quote(password, safe="")]
    return found
