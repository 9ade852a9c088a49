"""Names under which copies can be stored anywhere, made of names that somebody else has thought of."""

import os

LONGEST = 236
"""Bytes; what is added to a name (a number, `.json`, `.xmp`) fits the 255 that file systems allow."""

_LONGEST_EXTENSION = 32
_NOT_EVERYWHERE = frozenset('/\\<>:"|?*')


def safe_name(name: str) -> str:
    """A file name without anything that means something to a file system.

    Path separators, control and other unprintable characters, and those that some file systems refuse become `_`; it never begins
    with a dot, so that it is no hidden file and never `.` or `..`. It has `LONGEST` bytes of UTF-8 at most, the extension kept.
    """
    clean = "".join(
        "_" if character in _NOT_EVERYWHERE or not character.isprintable() else character for character in name
    )
    clean = clean.strip(" ").rstrip(" .")
    hidden = len(clean) - len(clean.lstrip("."))
    clean = "_" * hidden + clean[hidden:]
    stem, extension = os.path.splitext(clean)  # noqa: PTH122 - a name, no path
    if len(extension.encode()) > _LONGEST_EXTENSION:
        stem, extension = clean, ""
    room = LONGEST - len(extension.encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") or "file") + extension


def numbered(name: str, number: int) -> str:
    """The n-th choice of a name: `a.jpg`, `a~2.jpg`, `a~3.jpg`."""
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - a name, no path
    return name if number == 1 else f"{stem}~{number}{extension}"
