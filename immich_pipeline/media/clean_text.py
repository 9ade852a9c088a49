"""Text out of a stranger's file, fit for a table: decoded, without control characters, of bounded length."""

from __future__ import annotations

MAX_CHARACTERS = 200


def clean_text(value: object) -> str | None:
    """A value of a metadata field as text, or None if there is nothing in it.

    Everything behind a NUL is dropped (PostgreSQL refuses NUL in text, cameras pad with it), as are characters that do not print; runs of
    white space become one space. Bytes are UTF-8, else Latin-1.

    Args:
        value: Text or bytes; anything else has no text.
    """
    if isinstance(value, bytes):
        try:
            value = value.split(b"\0", 1)[0].decode("utf-8")
        except UnicodeDecodeError as problem:
            value = problem.object.decode("latin-1")
    if not isinstance(value, str):
        return None
    words = value.split("\0", 1)[0].split()
    text = " ".join("".join(filter(str.isprintable, word)) for word in words)[:MAX_CHARACTERS].strip()
    return text or None
