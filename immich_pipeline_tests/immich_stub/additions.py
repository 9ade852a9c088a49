"""What v3.2 added to the searches of v3.1, as its official client describes it: `filter`, `orderBy` and cursors."""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
NUMBER: Schema = {"type": "number"}
TYPE: Schema = {"$ref": "#/components/schemas/AssetTypeEnum"}
VISIBILITY: Schema = {"$ref": "#/components/schemas/AssetVisibility"}


def _tests(value: Schema, single: str, many: str = "") -> Schema:
    """Tests by name: those of `single` compare with one value, those of `many` with a list."""
    one = {name.rstrip("?"): value | ({"nullable": True} if name.endswith("?") else {}) for name in single.split()}
    several = {name: {"type": "array", "items": value} for name in many.split()}
    return {"type": "object", "properties": one | several}


IDS = _tests(ID, "", "all any none")
NULLABLE_TEXT = _tests(TEXT, "eq? ne?", "in notIn")
PATTERN = _tests(TEXT, "eq? ne? endsWith startsWith like notLike", "in notIn")
DATE = _tests(TIME, "eq ne gt gte lt lte")
YES_NO: Schema = {"type": "object", "properties": {"eq": {"type": "boolean"}}, "required": ["eq"]}
BRANCH: dict[str, Schema] = {
    **dict.fromkeys(("albumIds", "personIds", "tagIds"), IDS),
    **dict.fromkeys(("checksum", "encodedVideoPath"), _tests(TEXT, "eq ne", "in notIn")),
    **dict.fromkeys(("city", "country", "lensModel", "make", "model", "state"), NULLABLE_TEXT),
    **dict.fromkeys(("description", "originalFileName", "originalPath"), PATTERN),
    **dict.fromkeys(("createdAt", "takenAt", "updatedAt"), DATE),
    **dict.fromkeys(("hasAlbums", "hasPeople", "hasTags", "isEncoded", "isFavorite", "isMotion", "isOffline"), YES_NO),
    "trashedAt": _tests(TIME, "eq? ne? gt gte lt lte"),
    "fileSizeInBytes": _tests(NUMBER, "eq ne gt gte lt lte", "in notIn"),
    "rating": _tests(NUMBER, "eq? ne? gt gte lt lte", "in notIn"),
    "id": _tests(ID, "eq ne"),
    "libraryId": _tests(ID, "eq? ne?"),
    "ocr": {"type": "object", "properties": {"matches": TEXT}, "required": ["matches"]},
    "type": _tests(TYPE, "eq ne", "in notIn"),
    "visibility": _tests(VISIBILITY, "eq ne", "in notIn"),
}
ORDER: Schema = {
    "type": "object",
    "properties": {
        "direction": {"$ref": "#/components/schemas/AssetOrder"},
        "field": {"type": "string", "enum": ["fileCreatedAt", "localDateTime", "fileSizeInBytes", "rating"]},
    },
}


def add_v32(schemas: dict[str, Schema]) -> None:
    """Put the additions into the schemas of a v3.1 document."""
    branch: Schema = {"type": "object", "properties": BRANCH}
    whole: Schema = {"type": "object", "properties": BRANCH | {"or": {"type": "array", "items": branch}}}
    schemas["MetadataSearchDto"]["properties"] |= {"filter": whole, "orderBy": ORDER, "cursor": TEXT}
    schemas["StatisticsSearchDto"]["properties"]["filter"] = whole
    answer = schemas["SearchAssetResponseDto"]
    answer["properties"]["nextCursor"] = TEXT | {"nullable": True}
    answer["required"] = [*answer["required"], "nextCursor"]
