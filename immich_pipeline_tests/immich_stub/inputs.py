"""Input that Immich refuses, in the words of each dialect."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from immich_pipeline_tests.immich_stub.calls import Refusal

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
VISIBILITIES = ("archive", "timeline", "hidden", "locked")
TYPES = ("IMAGE", "VIDEO", "AUDIO", "OTHER")
LARGEST_PAGE = 1000
BASE64_SHA1 = 28


def invalid(path: str, v2: str, **detail: Any) -> Refusal:
    """`detail` is what v3 tells: code, message, and what belongs to the code."""
    message = detail.pop("message")
    return Refusal(
        400, "Validation failed", messages=[v2], details=[{**detail, "path": path.split("."), "message": message}]
    )


def whole_number(body: Mapping[str, Any], name: str, default: int, largest: int | None = None) -> int:
    """A number from 1 to `largest`."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(
            name,
            f"{name} must be an integer number",
            expected="number",
            code="invalid_type",
            message="Invalid input: expected number",
        )
    if value < 1:
        raise invalid(
            name,
            f"{name} must not be less than 1",
            origin="number",
            code="too_small",
            minimum=1,
            inclusive=True,
            message="Too small: expected number to be >=1",
        )
    if largest is not None and value > largest:
        raise invalid(
            name,
            f"{name} must not be greater than {largest}",
            origin="number",
            code="too_big",
            maximum=largest,
            inclusive=True,
            message=f"Too big: expected number to be <={largest}",
        )
    return value


def number(body: Mapping[str, Any], name: str) -> int:
    """A whole number that must be there."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(
            name,
            f"{name} must be an integer number",
            expected="number",
            code="invalid_type",
            message="Invalid input: expected number",
        )
    return value


def checksum(text: str) -> bytes:
    """A SHA-1, in base64 or in hexadecimal digits."""
    return base64.b64decode(text) if len(text) == BASE64_SHA1 else bytes.fromhex(text)


def choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str | None:
    value = body.get(name)
    if value is None or value in choices:
        return value
    raise invalid(
        name,
        f"{name} must be one of the following values: {', '.join(choices)}",
        code="invalid_value",
        values=list(choices),
        message="Invalid option: expected one of " + "|".join(f'"{one}"' for one in choices),
    )


def flag(body: Mapping[str, Any], name: str) -> bool | None:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise invalid(
        name,
        f"{name} must be a boolean value",
        expected="boolean",
        code="invalid_type",
        message="Invalid input: expected boolean",
    )


def query_flag(query: Mapping[str, str], name: str) -> bool | None:
    if name not in query:
        return None
    return flag({name: {"true": True, "false": False}.get(query[name], query[name])}, name)


def moment(body: Mapping[str, Any], name: str) -> datetime | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise invalid(
            name,
            f"{name} must be a Date instance",
            code="invalid_format",
            format="datetime",
            message="Invalid ISO datetime",
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def check_uuid(value: object, name: str) -> str:
    if isinstance(value, str) and UUID.fullmatch(value):
        return value
    raise invalid(name, f"{name} must be a UUID", code="invalid_format", format="uuid", message="Invalid UUID")


def uuids(body: Mapping[str, Any], name: str, at_least: int = 0) -> list[str]:
    """A list of ids. Missing counts as wrong input."""
    value = body.get(name)
    if not isinstance(value, list):
        raise invalid(
            name,
            f"{name} must be an array",
            expected="array",
            code="invalid_type",
            message="Invalid input: expected array",
        )
    if len(value) < at_least:
        raise invalid(
            name,
            f"{name} must contain at least {at_least} elements",
            origin="array",
            code="too_small",
            minimum=at_least,
            inclusive=True,
            message=f"Too small: expected array to have >={at_least} items",
        )
    for one in value:
        if not (isinstance(one, str) and UUID.fullmatch(one)):
            raise invalid(
                name,
                f"each value in {name} must be a UUID",
                code="invalid_format",
                format="uuid",
                message="Invalid UUID",
            )
    return value
