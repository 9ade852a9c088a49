"""Small answers of the server as values, checked: types as the API promises them, anything more is ignored."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from immich_pipeline.immich.errors import ApiError

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
Id = Annotated[
    str, Field(pattern=_UUID), BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]
"""A uuid in lower case."""

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text that a database can keep: without the character 0."""

_Kind = TypeVar("_Kind")


class Answered(BaseModel):
    """Part of an answer: types are as promised, what is not asked for is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class VersionAnswer(Answered):
    """`GET /server/version`; the pre-release is a number from v3 on, and missing before."""

    major: int = Field(ge=0)
    minor: int = Field(ge=0)
    patch: int = Field(ge=0)
    prerelease: int | str | None = None


class ServerFeatures(Answered):
    """What the server's administrator has switched on."""

    trash: bool


class ServerConfig(Answered):
    """What the server's administrator has set, as far as everybody may know it."""

    trash_days: int = Field(validation_alias="trashDays")


class User(Answered):
    """Whose API key it is."""

    id: Id
    email: str
    name: str
    is_admin: bool = Field(validation_alias="isAdmin")


class KeyInfo(Answered):
    """The API key itself; the permission `all` stands for every one."""

    id: Id
    name: str
    permissions: Annotated[frozenset[str], Field(strict=False)]


class AssetCounts(Answered):
    """How many assets the server counts."""

    images: int
    videos: int
    total: int


class Album(Answered):
    """An album of the user's, or one that is shared with them."""

    id: Id
    name: str = Field(validation_alias="albumName")
    owner_id: Id = Field(validation_alias="ownerId")
    asset_count: int = Field(validation_alias="assetCount")
    updated_at: str = Field(default="", validation_alias="updatedAt")
    cover_id: Id | None = Field(default=None, validation_alias="albumThumbnailAssetId")


class Tag(Answered):
    """A tag; `value` is its whole path, `Trips/France`."""

    id: Id
    value: str
    name: str
    parent_id: Id | None = Field(default=None, validation_alias="parentId")


class Library(Answered):
    """An external library; paths as the server sees them."""

    id: Id
    owner_id: Id = Field(validation_alias="ownerId")
    name: str
    import_paths: tuple[str, ...] = Field(strict=False, validation_alias="importPaths")
    exclusion_patterns: tuple[str, ...] = Field(strict=False, validation_alias="exclusionPatterns")


class PathCheck(Answered):
    """Whether the server can read a folder."""

    import_path: str = Field(validation_alias="importPath")
    is_valid: bool = Field(validation_alias="isValid")
    message: str | None = None


class PathChecks(Answered):
    """The answers for several folders."""

    import_paths: tuple[PathCheck, ...] = Field(strict=False, validation_alias="importPaths")


class _Reference(Answered):
    id: Id


class Stack(Answered):
    """Assets shown as one; the primary one is on top."""

    id: Id
    primary_asset_id: Id = Field(validation_alias="primaryAssetId")
    assets: tuple[_Reference, ...] = Field(strict=False, repr=False)

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """All its assets, the primary one included."""
        return tuple(asset.id for asset in self.assets)


class DuplicateGroup(Answered):
    """Assets that the server believes to be duplicates of each other."""

    id: Id = Field(validation_alias="duplicateId")
    assets: tuple[_Reference, ...] = Field(strict=False, repr=False)
    suggested_keep_ids: tuple[Id, ...] = Field(strict=False, validation_alias="suggestedKeepAssetIds")

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """All its assets."""
        return tuple(asset.id for asset in self.assets)


class Outcome(Answered):
    """What became of one asset of a change to many; `error` is the server's word: duplicate, no_permission, not_found, ..."""

    id: Id
    success: bool
    error: str | None = None


class Count(Answered):
    """How many were changed."""

    count: int


class SharedLink(Answered):
    """A link under which others see assets without an account: single assets, or an album."""

    id: Id
    kind: str = Field(validation_alias="type")
    assets: tuple[_Reference, ...] = Field(strict=False, repr=False)

    @property
    def of_assets(self) -> bool:
        """Whether it is a link of single assets."""
        return self.kind == "INDIVIDUAL"

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """The assets that it shows, where it is one of single assets."""
        return tuple(asset.id for asset in self.assets)


class LinkOutcome(Answered):
    """What became of one asset of a change to a shared link; `error`: duplicate, no_permission, not_found."""

    id: Id = Field(validation_alias="assetId")
    success: bool
    error: str | None = None


class Person(Answered):
    """Somebody on pictures; the name is empty until a person gives one."""

    id: Id
    name: Text


class Face(Answered):
    """A face on an asset: its box in a picture of that size, in pixels, and who it is where that is known."""

    id: Id
    left: int = Field(validation_alias="boundingBoxX1")
    top: int = Field(validation_alias="boundingBoxY1")
    right: int = Field(validation_alias="boundingBoxX2")
    bottom: int = Field(validation_alias="boundingBoxY2")
    width: int = Field(validation_alias="imageWidth")
    height: int = Field(validation_alias="imageHeight")
    person: Person | None
    source: str | None = Field(default=None, validation_alias="sourceType")

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, relative to the picture, rounded to four places; zeros where the picture has no size."""
        if self.width <= 0 or self.height <= 0:
            return (0.0, 0.0, 0.0, 0.0)
        return (
            round(self.left / self.width, 4),
            round(self.top / self.height, 4),
            round(self.right / self.width, 4),
            round(self.bottom / self.height, 4),
        )


class Uploaded(Answered):
    """What became of an upload: `created`, or `duplicate` of an asset that was there already."""

    id: Id
    status: Literal["created", "duplicate", "replaced"]


class UploadCheck(Answered):
    """Whether bytes are on the server; `id` is the name that was given to the question."""

    id: str
    action: Literal["accept", "reject"]
    reason: str | None = None
    asset_id: Id | None = Field(default=None, validation_alias="assetId")
    trashed: bool = Field(default=False, validation_alias="isTrashed")


class UploadChecks(Answered):
    """The answers to several such questions."""

    results: tuple[UploadCheck, ...] = Field(strict=False)


def read_answer(kind: type[_Kind], answer: object, endpoint: str) -> _Kind:
    """Check an answer.

    Args:
        kind: one of the classes above, or `list[...]` of one.
        answer: the JSON that was received.
        endpoint: what was asked, for the message.

    Raises:
        ApiError: it is something else than the API promises.
    """
    problem: str
    try:
        return TypeAdapter(kind).validate_python(answer)
    except ValidationError as error:
        detail = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in detail["loc"]) or "the answer"
        problem = f"{place}: {detail['msg']}"
    raise ApiError(endpoint, None, problem)


def with_owner(album: object) -> object:
    """An album as it was received, with the owner where v2 tells it: v3 lists the owner among the album's users."""
    if not isinstance(album, dict) or "ownerId" in album:
        return album
    users: Any = album.get("albumUsers")
    owners = (
        [user for user in users if isinstance(user, dict) and user.get("role") == "owner"]
        if isinstance(users, Sequence)
        else []
    )
    owner = owners[0].get("user") if owners else None
    return album | {"ownerId": owner.get("id")} if isinstance(owner, dict) else album
