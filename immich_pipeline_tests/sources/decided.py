"""A small library in a folder and in the database, with decisions about its duplicates."""

import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.schema import DECISION_MEMBER_SCHEMA, DECISION_SCHEMA, SET_SCHEMA
from immich_pipeline.store import derived, state
from immich_pipeline.store.content import FILE_HASH, FILE_HASH_SCHEMA
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import SourceRow, activate_sources, write_assets
from immich_pipeline_tests.dedup.decided import Plan, a_picture, a_set, file, plan_of


@dataclass
class Decided:
    """The library, and what was decided about it."""

    database: Database
    photos: Path
    settings: Settings
    source_id: str = str(uuid.uuid5(uuid.NAMESPACE_URL, "decided"))
    contents: dict[str, bytes] = field(default_factory=dict)

    def asset(self, name: str) -> str:
        return str(uuid.uuid5(uuid.UUID(self.source_id), name))

    def file(self, name: str, same_as: str | None = None, **known: Any) -> dict[str, Any]:
        """A file of the library, written to disk; ``same_as`` gives it the bytes of another."""
        colour = sha256((same_as or name).encode()).digest()[:3]
        data = a_picture("PNG", (colour[0], colour[1], colour[2]))
        (self.photos / name).write_bytes(data)
        self.contents[name] = sha256(data).digest()
        return file(self.asset(name), name=name, path=name, size=len(data), **known)

    def write(self, *sets: dict[str, Any]) -> Plan:
        """Make these sets, and no others, what is decided."""
        plan = plan_of(*sets)
        root = str(self.photos).encode()
        activate_sources(self.database, [SourceRow(self.source_id, "folder", "photos", "me", root)])
        with self.database.frames() as frames:
            write_assets(frames, self._assets(), [])
            hashes = [
                {"asset_id": self.asset(name), "size": len((self.photos / name).read_bytes()), "mtime_ns": 1, "code_version": "1",
                 "sha256": content, "format": "png", "attempts": 1}
                for name, content in self.contents.items()
            ]  # fmt: skip
            frames.merge(FILE_HASH, pl.DataFrame(hashes, schema=FILE_HASH_SCHEMA))
            derived.write(
                frames,
                "decisions",
                {
                    derived.SET_MEMBER: plan.sets.select(list(SET_SCHEMA)),
                    derived.DECIDED_SET: plan.sets.select(list(SET_SCHEMA)),
                    derived.DECISION: plan.decisions.select(list(DECISION_SCHEMA)),
                    derived.DECISION_MEMBER: plan.members.select(list(DECISION_MEMBER_SCHEMA)),
                },
            )
            state.mark_computed(frames, "duplicate_decisions", "inputs")
        return plan

    def _assets(self) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {"asset_id": self.asset(name), "source_id": self.source_id, "owner": "me", "real_path": name.encode(), "path": name,
                 "folder": "", "name": name, "extension": "png", "kind": "image", "format": "png",
                 "size": len((self.photos / name).read_bytes()), "mtime_ns": 1, "inode": place, "device": 1}
                for place, name in enumerate(self.contents)
            ]
        )  # fmt: skip

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return connection.execute(text).fetchall()


def decided(database: Database, folder: Path) -> Decided:
    """An empty library in this folder."""
    photos = folder / "photos"
    photos.mkdir()
    return Decided(database, photos, Settings(home=folder / "home", photos=photos))


def two_sets(library: Decided) -> Plan:
    """Two pictures with a smaller copy each, and one file that is there twice."""
    return library.write(
        a_set("s1", library.file("a.png"), library.file("b.png")),
        a_set("s2", library.file("c.png"), library.file("d.png"), verdict="review"),
        a_set("s3", library.file("e.png"), library.file("f.png", same_as="e.png"), **{"class": "exact"}),
    )
