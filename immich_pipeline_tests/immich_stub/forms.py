"""Multipart forms, as browsers and clients send them."""

import re

Form = dict[str, str | tuple[str, bytes]]
"""Texts, and files as their name and their bytes."""

_BOUNDARY = re.compile(r'multipart/form-data;.*boundary="?([^";]+)"?')
_NAME = re.compile(rb'; name="([^"]*)"')
_FILE_NAME = re.compile(rb'; filename="([^"]*)"')


def is_form(content_type: str) -> bool:
    return _BOUNDARY.match(content_type) is not None


def read_form(content_type: str, raw: bytes) -> Form:
    """The form's fields; none where it is broken."""
    boundary = _BOUNDARY.match(content_type)
    fields: Form = {}
    for part in (b"\r\n" + raw).split(b"\r\n--" + (boundary.group(1).encode() if boundary else b"-"))[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name, file = _NAME.search(head), _FILE_NAME.search(head)
        if name is not None:
            fields[name.group(1).decode()] = (file.group(1).decode(), content) if file else content.decode()
    return fields
