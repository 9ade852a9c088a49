"""Small answers of the server as values, checked: types as the API promises them, anything more is ignored."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from immich_pipeline.immich.errors import ApiError

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
Id = Annotated[
    str, Field(pattern=_UUID), BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]
"""A uuid in lower case."""

_Kind = TypeVar("_Kind")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class VersionAnswer(_Answer):
    """`GET /server/version`; the pre-release is a number from v3 on, and missing before."""

    major: int = Field(ge=0)
    minor: int = Field(ge=0)
    patch: int = Field(ge=0)
    prerelease: int | str | None = None


class User(_Answer):
    """Whose API key it is."""

    id: Id
    email: str
    name: str
    is_admin: bool = Field(validation_alias="isAdmin")


class KeyInfo(_Answer):
    """The API key itself; the permission `all` stands for every one."""

    id: Id
    name: str
    permissions: Annotated[frozenset[str], Field(strict=False)]


class AssetCounts(_Answer):
    """How many assets the server counts."""

    images: int
    videos: int
    total: int


class AlbumUser(_Answer):
    """Someone who sees an album, and as what: owner (from v3 on), editor or viewer."""

    user_id: Id = Field(validation_alias=AliasPath("user", "id"))
    role: str


class Album(_Answer):
    """An album of the user's, or one that is shared with them."""

    id: Id
    name: str = Field(validation_alias="albumName")
    owner_id: Id = Field(validation_alias="ownerId")
    asset_count: int = Field(validation_alias="assetCount")
    updated_at: str = Field(default="", validation_alias="updatedAt")


class Tag(_Answer):
    """A tag; `value` is its whole path, `Trips/France`."""

    id: Id
    value: str
    name: str
    parent_id: Id | None = Field(default=None, validation_alias="parentId")


class _Reference(_Answer):
    id: Id


class Stack(_Answer):
    """Assets shown as one; the primary one is on top."""

    id: Id
    primary_asset_id: Id = Field(validation_alias="primaryAssetId")
    assets: tuple[_Reference, ...] = Field(strict=False, repr=False)

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """All its assets, the primary one included."""
        return tuple(asset.id for asset in self.assets)


class DuplicateGroup(_Answer):
    """Assets that the server believes to be duplicates of each other."""

    id: Id = Field(validation_alias="duplicateId")
    assets: tuple[_Reference, ...] = Field(strict=False, repr=False)
    suggested_keep_ids: tuple[Id, ...] = Field(strict=False, validation_alias="suggestedKeepAssetIds")

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """All its assets."""
        return tuple(asset.id for asset in self.assets)


class Outcome(_Answer):
    """What became of one asset of a change to many; `error` is the server's word: duplicate, no_permission, not_found, ..."""

    id: Id
    success: bool
    error: str | None = None


class Count(_Answer):
    """How many were changed."""

    count: int


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
