"""A home with one Immich: a database of any version, a media folder on disk, and the people who use it."""

import hashlib
import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import numpy as np
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.role import DEFAULT_ROLE, role_sql
from immich_pipeline_tests.immich_db.definition import schema_of

MEDIA = "/data"
EXTERNAL = "/external/alice"
"""Where alice's external library is, as Immich sees it."""
UPLOADS = "/data/library/alice"
"""Where the storage template puts alice's uploads."""
TARGET = "/external/bob/alice"
"""A link to `EXTERNAL`, below bob's library."""
TARGET_UPLOADS = "/external/bob/alice-uploads"

START = datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
EMBEDDING_SIZE = 512
SUFFIXES = {"preview": "jpeg", "thumbnail": "webp", "fullsize": "jpeg"}

FileType = Literal["preview", "thumbnail", "fullsize", "sidecar", "encoded_video"]


class House:
    """What is in it, and builders: each puts rows and files where Immich would.

    Attributes:
        version: the schema, "2.7.5", "3.1.0" or "3.2".
        url: of the database, as its owner.
        db: a connection of the owner's that commits each statement.
        media: Immich's media folder, that `/data` stands for.
        alice: the source of what is shared; an admin.
        bob: its target.
        carol: another user, who must notice nothing.
        library: alice's external library.
        target_library: the library of bob's that copies belong to.
        own_people: owner and id of whoever was made by `add_person`, as Immich or a user does.
    """

    def __init__(self, url: str, version: str, media: Path) -> None:
        self.url, self.version, self.media = url, schema_of(version), media
        self.db = psycopg.connect(url, autocommit=True)
        self.db.execute(role_sql())
        self.seed = random.Random(1)
        self.own_people: set[tuple[str, str]] = set()
        self.taken = START
        self.cluster_group = self.new_id()
        if self.groups:
            self.insert("cluster_group", id=self.cluster_group)
        self.alice, self.bob, self.carol = (self.add_user(name) for name in ("alice", "bob", "carol"))
        self.library = self.add_library(self.alice, "NAS", EXTERNAL)
        self.target_library = self.add_library(self.bob, "from Alice", "/external/bob", exclusion="**/*")

    def close(self) -> None:
        self.db.close()

    @property
    def groups(self) -> bool:
        """Whether faces belong to groups that several users may have a person for."""
        return self.version == "3.2"

    @property
    def person_column(self) -> str:
        """What a face says whose it is with, and what a person is known by beside its owner."""
        return "personGroupId" if self.groups else "personId"

    def job(self, **changes: Any) -> Job:
        """Alice's external library in bob's; anything of it may be given."""
        usual: dict[str, Any] = {
            "name": "alice to bob",
            "source_owner": self.alice,
            "target_owner": self.bob,
            "target_library": self.target_library,
            "source_prefix": EXTERNAL,
            "target_prefix": TARGET,
        }
        return Job(**(usual | changes))

    def upload_job(self, **changes: Any) -> Job:
        """Alice's uploads in bob's library."""
        usual = {"name": "uploads to bob", "source_prefix": UPLOADS, "target_prefix": TARGET_UPLOADS}
        return self.job(**(usual | changes))

    # --- plain rows and files ---

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.seed.getrandbits(128), version=4))

    def insert(self, table: str, **values: Any) -> None:
        """One row."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        self.db.execute(statement, list(values.values()))

    def update(self, table: str, key: dict[str, Any], **values: Any) -> None:
        """Change rows as Immich does, by a statement that its triggers see."""
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values),
            sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key),
        )
        self.db.execute(statement, [*values.values(), *key.values()])

    def remove(self, table: str, **key: Any) -> None:
        """Delete rows as Immich does."""
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
        self.db.execute(sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), where), list(key.values()))

    def counted(self) -> None:
        """Have PostgreSQL count at once what was deleted, which it else does within ten seconds."""
        self.db.execute("SELECT pg_stat_force_next_flush()")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(query, values or None).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        """The one value that a query answers with."""
        ((value,),) = self.rows(query, *values)
        return value

    def row(self, table: str, **key: Any) -> dict[str, Any]:
        """The one row with that key, by column."""
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
        with self.db.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            query = sql.SQL("SELECT * FROM {} WHERE {}").format(sql.Identifier(table), where)
            (row,) = cursor.execute(query, list(key.values())).fetchall()
            return row

    def here(self, immich_path: str) -> Path:
        """Where a path of the media folder is on this machine."""
        if not immich_path.startswith(f"{MEDIA}/"):
            raise ValueError(f"{immich_path} is not in the media folder")
        return self.media / immich_path.removeprefix(f"{MEDIA}/")

    def write(self, immich_path: str, content: bytes) -> None:
        """A file of the media folder; one that is there is overwritten in place, as Immich does it."""
        path = self.here(immich_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    # --- users, libraries, albums, tags ---

    def add_user(self, name: str, **values: Any) -> str:
        user = self.new_id()
        if self.groups:
            values = {"clusterGroupId": self.cluster_group} | values
        self.insert(
            "user", id=user, email=f"{name}@example.org", name=name.title(), isAdmin=name == "alice", storageLabel=name, **values
        )  # fmt: skip
        return user

    def add_library(self, owner: str, name: str, path: str, exclusion: str = "**/.*") -> str:
        library = self.new_id()
        self.insert("library", id=library, ownerId=owner, name=name, importPaths=[path], exclusionPatterns=[exclusion])
        return library

    def add_album(self, owner: str, name: str, *assets: str) -> str:
        album = self.new_id()
        if self.version == "2.7.5":
            self.insert("album", id=album, ownerId=owner, albumName=name)
        else:
            self.insert("album", id=album, albumName=name)
            self.insert("album_user", albumId=album, userId=owner, role="owner")
        for asset in assets:
            self.put_into(album, asset)
        return album

    def put_into(self, album: str, asset: str) -> None:
        self.insert("album_asset", albumId=album, assetId=asset)

    def take_out(self, album: str, asset: str) -> None:
        self.remove("album_asset", albumId=album, assetId=asset)

    def add_tag(self, owner: str, value: str, color: str | None = None) -> str:
        """The tag of that value, "a/b" below "a"; parents and closure are made if need be."""
        parent: str | None = None
        names = value.split("/")
        for path in ("/".join(names[: depth + 1]) for depth in range(len(names))):
            found = self.rows('SELECT id::text FROM tag WHERE "userId" = %s AND value = %s', owner, path)
            if found:
                parent = found[0][0]
                continue
            tag = self.new_id()
            self.insert(
                "tag", id=tag, userId=owner, value=path, parentId=parent, color=color if path == value else None
            )
            self.insert("tag_closure", id_ancestor=tag, id_descendant=tag)
            self.db.execute(
                "INSERT INTO tag_closure SELECT id_ancestor, %s FROM tag_closure WHERE id_descendant = %s",
                [tag, parent],
            )
            parent = tag
        assert parent is not None
        return parent

    def tag(self, asset: str, value: str) -> str:
        """Give an asset a tag of its owner's, as Immich does: in its EXIF too, where the values are locked."""
        owner = self.value('SELECT "ownerId"::text FROM asset WHERE id = %s', asset)
        tag = self.add_tag(owner, value)
        self.insert("tag_asset", assetId=asset, tagId=tag)
        self.db.execute(
            """UPDATE asset_exif SET tags = array_append(coalesce(tags, '{}'), %(value)s),
                 "lockedProperties" = CASE WHEN 'tags' = ANY("lockedProperties") THEN "lockedProperties"
                                      ELSE array_append(coalesce("lockedProperties", '{}'), 'tags') END
               WHERE "assetId" = %(asset)s""",
            {"asset": asset, "value": value},
        )
        return tag

    def untag(self, asset: str, value: str) -> None:
        self.db.execute(
            'DELETE FROM tag_asset USING tag WHERE tag.id = "tagId" AND value = %s AND "assetId" = %s', [value, asset]
        )
        self.db.execute(
            'UPDATE asset_exif SET tags = array_remove(tags, %s) WHERE "assetId" = %s',
            [value, asset],
        )

    # --- assets ---

    def add_asset(self, path: str, *, owner: str | None = None, content: bytes | None = None, **values: Any) -> str:
        """The row alone. An image of alice's by default; outside the media folder it is of the owner's external library.

        Any column may be given. A name may hold anything that a file name can.
        """
        asset = str(values.pop("id", None) or self.new_id())
        owner = owner or self.alice
        self.taken += timedelta(minutes=7, milliseconds=11)
        library = None
        if not path.startswith(f"{MEDIA}/"):
            library = {self.alice: self.library, self.bob: self.target_library}.get(owner)
        body = content if content is not None else asset.encode()
        signed = f"path:{path}".encode() if library else body
        usual: dict[str, Any] = {
            "libraryId": library,
            "type": "IMAGE",
            "originalFileName": path.rpartition("/")[2],
            "checksum": hashlib.sha1(signed, usedforsecurity=False).digest(),
            "checksumAlgorithm": "sha1-path" if library else "sha1",
            "isExternal": library is not None,
            "fileCreatedAt": self.taken,
            "fileModifiedAt": self.taken,
            "localDateTime": self.taken + timedelta(hours=2),
            "width": 4000,
            "height": 3000,
        }
        if self.version == "2.7.5":
            usual |= {
                "deviceAssetId": usual["originalFileName"],
                "deviceId": "Library Import" if library else "WEB",
                "duration": None if library else "0:00:00.00000",
            }
        self.insert("asset", id=asset, ownerId=owner, originalPath=path, **(usual | values))
        if path.startswith(f"{MEDIA}/") and ".." not in path.split("/"):
            self.write(path, body)
        return asset

    def add_photo(
        self,
        path: str,
        *,
        exif: dict[str, Any] | None = None,
        files: tuple[FileType, ...] = ("preview", "thumbnail"),
        processed: bool = True,
        **values: Any,
    ) -> str:
        """An image with everything that Immich's jobs make of it: EXIF, pictures on disk, embedding, job status.

        Args:
            path: of the original, as Immich sees it.
            exif: columns of asset_exif.
            files: which pictures.
            processed: whether the jobs are through; else there is the row of the asset alone.
            values: `owner`, `content`, and any column of asset.
        """
        thumbhash = hashlib.md5(path.encode(), usedforsecurity=False).digest() if processed else None
        asset = self.add_asset(path, **({"thumbhash": thumbhash} | values))
        if processed:
            self.process(asset, exif or {}, files)
        return asset

    def process(
        self, asset: str, exif: dict[str, Any], files: tuple[FileType, ...] = ("preview", "thumbnail"), *, clip: bool = True
    ) -> None:  # fmt: skip
        """What the jobs do with an asset: metadata, pictures, faces, embedding, text, duplicates."""
        taken, width, height = self.rows(
            'SELECT "fileCreatedAt", width, height FROM asset WHERE id = %s', asset
        )[0]  # fmt: skip
        usual = {
            "make": "Canon", "model": "Canon EOS R6", "exifImageWidth": width, "exifImageHeight": height, "fileSizeInByte": 4_000_000,
            "dateTimeOriginal": taken, "timeZone": "UTC+2",
        }  # fmt: skip
        self.insert("asset_exif", assetId=asset, **(usual | exif))
        for kind in files:
            self.add_file(asset, kind)
        now = datetime.now(UTC)
        self.insert(
            "asset_job_status", assetId=asset, metadataExtractedAt=now, facesRecognizedAt=now, duplicatesDetectedAt=now, ocrAt=now
        )  # fmt: skip
        if clip:
            self.insert("smart_search", assetId=asset, embedding=self.embedding())

    def embedding(self) -> str:
        """A vector of length 1, as SQL reads it."""
        vector = np.random.default_rng(self.seed.getrandbits(32)).standard_normal(EMBEDDING_SIZE, dtype=np.float32)
        return str((vector / np.linalg.norm(vector)).tolist())

    def picture_path(self, asset: str, kind: FileType, *, edited: bool = False) -> str:
        """Where Immich keeps a picture, or the encoded video, of an asset."""
        owner, original = self.rows('SELECT "ownerId"::text, "originalPath" FROM asset WHERE id = %s', asset)[0]
        if kind == "sidecar":
            return f"{original}.xmp"
        folder = f"{owner}/{asset[0:2]}/{asset[2:4]}"
        if kind == "encoded_video":
            return f"{MEDIA}/encoded-video/{folder}/{asset}.mp4"
        return f"{MEDIA}/thumbs/{folder}/{asset}_{kind}{'_edited' if edited else ''}.{SUFFIXES[kind]}"

    def add_file(self, asset: str, kind: FileType, *, edited: bool = False, **values: Any) -> str:
        """A row of asset_file, and the file where it is in the media folder; returns its path."""
        path = str(values.pop("path", None) or self.picture_path(asset, kind, edited=edited))
        if path.startswith(f"{MEDIA}/"):
            self.write(path, f"{kind} {edited} of {asset}".encode())
        self.insert("asset_file", id=self.new_id(), assetId=asset, type=kind, path=path, isEdited=edited, **values)
        return path

    def add_video(
        self,
        path: str,
        *,
        clip: bool = True,
        exif: dict[str, Any] | None = None,
        files: tuple[FileType, ...] = ("preview", "thumbnail", "encoded_video"),
        **values: Any,
    ) -> str:
        """A video of 12.34 seconds with its streams, thumbnails and an encoded version."""
        length = "0:00:12.340" if self.version == "2.7.5" else 12_340
        thumbhash = hashlib.md5(path.encode(), usedforsecurity=False).digest()
        asset = self.add_asset(path, **({"type": "VIDEO", "duration": length, "thumbhash": thumbhash} | values))
        self.process(asset, {"fps": 30, **(exif or {})}, files, clip=clip)
        if self.version != "2.7.5":
            self.insert(
                "asset_video", assetId=asset, index=0, formatName="mov,mp4", formatLongName="QuickTime / MOV", codecName="hevc", profile=2,
                level=153, pixelFormat="yuv420p10le", bitrate=8_000_000, frameCount=370, timeBase=600, colorPrimaries=9, colorTransfer=18,
                colorMatrix=9, dvProfile=8, dvLevel=4, dvBlSignalCompatibilityId=4,
            )  # fmt: skip
            self.insert("asset_audio", assetId=asset, index=1, codecName="aac", profile=1, bitrate=128_000)
            self.insert(
                "asset_keyframe", assetId=asset, pts=[0, 300], ownDuration=[300, 70], accDuration=[300, 370], totalDuration=370,
                packetCount=370, outputFrames=370,
            )  # fmt: skip
        return asset

    def add_live_photo(self, path: str, **values: Any) -> tuple[str, str]:
        """A still and its hidden video, in this order, linked by Immich."""
        exif = {"livePhotoCID": f"CID {path}"}
        video = self.add_video(
            f"{path.rpartition('.')[0]}.mov", visibility="hidden", clip=False, exif=exif, **values
        )  # fmt: skip
        still = self.add_photo(path, exif=exif, livePhotoVideoId=video, **values)
        return still, video

    def add_motion_photo(self, path: str, **values: Any) -> tuple[str, str]:
        """A still with its video inside, which Immich has cut out and keeps in its media folder; the still and the video."""
        video = self.new_id()
        cut_out = f"{MEDIA}/encoded-video/{self.alice}/{video[0:2]}/{video[2:4]}/{video}-MP.mp4"
        library: dict[str, Any] = (
            {"libraryId": self.library, "isExternal": True} if not path.startswith(f"{MEDIA}/") else {}
        )
        self.add_video(
            cut_out, id=video, visibility="hidden", clip=False, files=("preview", "thumbnail"),
            originalFileName=path.rpartition("/")[2].replace(".jpg", ".mp4"), **library,
        )  # fmt: skip
        return self.add_photo(path, livePhotoVideoId=video, **values), video

    def add_edit(self, asset: str, *actions: tuple[str, dict[str, Any]]) -> None:
        """Edits in the order given, and the edited pictures beside the unedited ones."""
        start = self.value('SELECT count(*) FROM asset_edit WHERE "assetId" = %s', asset)
        for number, (action, parameters) in enumerate(actions or (("rotate", {"angle": 90}),), start):
            self.insert(
                "asset_edit", id=self.new_id(), assetId=asset, sequence=number, action=action, parameters=Jsonb(parameters)
            )  # fmt: skip
        if not start:
            for kind in ("preview", "thumbnail", "fullsize"):
                self.add_file(asset, kind, edited=True)

    def add_text(self, asset: str, *lines: str) -> None:
        """What the text recognition read."""
        for place, line in enumerate(lines):
            top = place / 10
            corners = {
                "x1": 0.1,
                "y1": top,
                "x2": 0.9,
                "y2": top,
                "x3": 0.9,
                "y3": top + 0.1,
                "x4": 0.1,
                "y4": top + 0.1,
            }
            self.insert(
                "asset_ocr", id=self.new_id(), assetId=asset, boxScore=0.9, textScore=0.8, text=line, isVisible=place != 1, **corners
            )  # fmt: skip
        self.insert("ocr_search", assetId=asset, text=" ".join(lines))

    def add_stack(self, *assets: str) -> str:
        """A stack whose primary is the first."""
        stack = self.new_id()
        owner = self.value('SELECT "ownerId"::text FROM asset WHERE id = %s', assets[0])
        self.insert("stack", id=stack, ownerId=owner, primaryAssetId=assets[0])
        self.db.execute('UPDATE asset SET "stackId" = %s WHERE id = ANY(%s::uuid[])', [stack, list(assets)])
        return stack

    # --- people ---

    def add_person(self, name: str = "", *, owner: str | None = None, group: str | None = None, **values: Any) -> str:
        """Someone whom a user knows, with a picture; returns the id of the person, from 3.2 on of the group.

        Args:
            name: "" for one who has no name yet.
            owner: alice by default.
            group: of several users' persons that are the same one (from 3.2 on).
            values: columns of person.
        """
        owner = owner or self.alice
        person = group or self.new_id()
        self.own_people.add((owner, person))
        path = f"{MEDIA}/thumbs/{owner}/{person[0:2]}/{person[2:4]}/{person}.jpeg"
        values = {"thumbnailPath": path, "name": name} | values
        if values["thumbnailPath"]:
            self.write(path, f"face of {name} {person}".encode())
        if not self.groups:
            self.insert("person", id=person, ownerId=owner, **values)
            return person
        if group is None:
            self.insert("person_group", id=person, clusterGroupId=self.cluster_group)
        self.insert("person", ownerId=owner, personGroupId=person, **values)
        return person

    def add_face(
        self, asset: str, person: str | None = None, *, box: tuple[int, int, int, int] = (100, 110, 300, 330), **values: Any
    ) -> str:  # fmt: skip
        """A face that was found on an asset's preview of 1440 x 1080 pixels, with its embedding; a person's first is its picture.

        Args:
            asset: of either user.
            person: whose face it is.
            box: left, top, right, bottom in pixels.
            values: columns of asset_face; `search=False` leaves the embedding out.
        """
        face = self.new_id()
        search = values.pop("search", True)
        sides = dict(zip(("boundingBoxX1", "boundingBoxY1", "boundingBoxX2", "boundingBoxY2"), box, strict=True))
        column = {self.person_column: person}
        self.insert(
            "asset_face", id=face, assetId=asset, imageWidth=1440, imageHeight=1080, **sides, **column, **values
        )
        if search:
            self.insert("face_search", faceId=face, embedding=self.embedding())
        if person is not None:
            key = "personGroupId" if self.groups else "id"
            self.db.execute(
                f"""UPDATE person SET "faceAssetId" = %s FROM asset
                    WHERE asset.id = %s AND person."ownerId" = asset."ownerId" AND person."{key}" = %s AND "faceAssetId" IS NULL""",
                [face, asset, person],
            )
        return face

    def role_url(self, role: str = DEFAULT_ROLE) -> str:
        """The database's URL for another role; by default the one that shares, which may do no more than it must."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{quote(role)}@{parts.netloc.rpartition('@')[2]}"))
