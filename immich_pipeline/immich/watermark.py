"""How far Immich's database has been read.

Immich stamps every row with a time-ordered uuid (version 7) when it is written, but a transaction that commits late makes rows visible
that are stamped with an earlier moment. What could not be seen at the moment `taken` was therefore stamped two minutes before it or
later, as long as no transaction takes longer: reading on begins there. The newest row per table, and a digest of the two minutes before
each, tell cheaply whether there is anything to read.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from uuid import UUID

OVERLAP_SECONDS = 120
NOTHING = str(UUID(int=0))
"""The newest row of an empty table: older than every row."""

_TIME_SHIFT = 80  # the first 48 bits of a version 7 uuid are milliseconds since 1970


@dataclass(frozen=True)
class Watermark:
    """A moment of the database. Two are equal when nothing was written in between.

    Attributes:
        taken: the moment as a uuid, by the database's clock; the default is before everything.
        asset: and so on: the newest `updateId` (of the audit tables: `id`) of each table in `WATCHED`, as text.
        window: digest of the rows within two minutes of the newest.
    """

    taken: str = field(default=NOTHING, compare=False)
    asset: str = NOTHING
    exif: str = NOTHING
    stack: str = NOTHING
    audit: str = NOTHING
    stack_audit: str = NOTHING
    album: str = NOTHING
    album_audit: str = NOTHING
    album_asset: str = NOTHING
    album_asset_audit: str = NOTHING
    album_user: str = NOTHING
    album_user_audit: str = NOTHING
    window: str = ""

    def to_json(self) -> str:
        """The watermark as text, for a sensor's cursor."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Watermark":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not a watermark, or one of another version of this program: read everything anew.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or set(values) != {part.name for part in fields(cls)}:
            raise ValueError("not a watermark of Immich's database")
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("not a watermark of Immich's database")
        window = values.pop("window")
        return cls(**{name: str(UUID(value)) for name, value in values.items()}, window=window)

    @property
    def begin(self) -> str:
        """The smallest stamp that may not have been visible: two minutes before `taken`."""
        return before(self.taken)


WATCHED: dict[str, tuple[str, str]] = {
    "asset": ("asset", "updateId"),
    "exif": ("asset_exif", "updateId"),
    "stack": ("stack", "updateId"),
    "audit": ("asset_audit", "id"),
    "stack_audit": ("stack_audit", "id"),
    "album": ("album", "updateId"),
    "album_audit": ("album_audit", "id"),
    "album_asset": ("album_asset", "updateId"),
    "album_asset_audit": ("album_asset_audit", "id"),
    "album_user": ("album_user", "updateId"),
    "album_user_audit": ("album_user_audit", "id"),
}
"""Field of a watermark to the table and the column whose newest value it holds."""


def before(stamp: str) -> str:
    """The smallest uuid of the moment two minutes before that of `stamp`."""
    moment = (UUID(stamp).int >> _TIME_SHIFT) - OVERLAP_SECONDS * 1000
    return str(UUID(int=max(moment, 0) << _TIME_SHIFT))
