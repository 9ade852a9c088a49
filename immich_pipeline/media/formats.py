"""Which format a file has, by its first bytes and by its extension, and whether the two agree.

What is known about formats is data: ``formats.toml`` beside this module. No library tells all of them apart (Canon's CR3 passes for a
video, Fujifilm's RAF for nothing), so the signatures are our own; RAW formats that are TIFF inside are told apart by their extension.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from immich_pipeline.errors import UserError

HEAD_BYTES = 4096
"""How many of a file's first bytes ``detect`` wants to see."""

Kind = Literal["image", "raw", "video", "sidecar"]

_TEXT_SAMPLE = 512
_ANY_BYTE = "??"


@dataclass(frozen=True)
class Format:
    """A format as ``formats.toml`` describes it.

    Attributes:
        name: Short name, as stored in tables ("jpeg").
        kind: What it is used for.
        extensions: Lower case, without the dot, the usual one first.
        mime: Media type.
        label: What to call it in a sentence ("JPEG").
        contents: Names of the signatures that its files may have; empty if any.
    """

    name: str
    kind: Kind
    extensions: tuple[str, ...]
    mime: str
    label: str = ""
    contents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """What the first bytes of a file say it is; ``format`` is None for things that are no photo or video."""

    name: str
    label: str
    format: str | None


@dataclass(frozen=True)
class Detected:
    """The answer of ``detect``.

    Attributes:
        format: What the file is to be treated as; None if it is nothing we know.
        by_signature: Name of the format (or of the kind of content) that the first bytes show.
        by_extension: Name of the format that the extension promises.
        mismatch: A sentence if the two contradict each other.
    """

    format: Format | None
    by_signature: str | None
    by_extension: str | None
    mismatch: str | None


@dataclass(frozen=True)
class _Signature:
    content: Content
    runs: tuple[tuple[int, bytes], ...]

    def fits(self, head: bytes) -> bool:
        return all(head.startswith(run, offset) for offset, run in self.runs)


@dataclass(frozen=True)
class _Brand:
    content: Content
    brands: frozenset[str]
    generic: bool


@dataclass(frozen=True)
class _Text:
    label: str
    starts: tuple[bytes, ...]


@dataclass(frozen=True)
class FormatTable:
    """All known formats and how to recognise them. Read-only; get one by ``FormatTable.load``."""

    formats: tuple[Format, ...]
    _signatures: tuple[_Signature, ...]
    _brands: tuple[_Brand, ...]
    _texts: tuple[_Text, ...]
    _by_name: Mapping[str, Format] = field(repr=False)
    _by_extension: Mapping[str, Format] = field(repr=False)

    @classmethod
    def load(cls, extra: Path | None = None) -> FormatTable:
        """The table of the package, with the entries of a file of the user's added or put in place of its own.

        Args:
            extra: A TOML file as described at the top of ``formats.toml``.

        Raises:
            UserError: The user's file cannot be read, or an entry of it is wrong.
        """
        return _package_table() if extra is None else _build([_read_extra(extra), _package_tables()])

    def by_extension(self, ext: str) -> Format | None:
        """The format that an extension promises (any case, without the dot)."""
        return self._by_extension.get(ext.lower())

    def by_name(self, name: str) -> Format | None:
        """The format of a name as stored in tables."""
        return self._by_name.get(name)

    def content_of(self, head: bytes) -> Content | None:
        """What the first bytes show by their signature or, for ISO base media files, by their brands; None if unknown."""
        if head[4:8] == b"ftyp":
            return self._content_by_brand(head)
        return next((signature.content for signature in self._signatures if signature.fits(head)), None)

    def text_of(self, head: bytes) -> str | None:
        """What to call the content if it is text ("a web page (HTML)"); None if it is binary."""
        sample = head[:_TEXT_SAMPLE]
        if not _is_text(sample):
            return None
        start = sample.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        return next((text.label for text in self._texts if start.startswith(text.starts)), "plain text")

    def _content_by_brand(self, head: bytes) -> Content | None:
        size = int.from_bytes(head[:4], "big")
        major = head[8:12].decode("latin-1")
        compatible = {head[at : at + 4].decode("latin-1") for at in range(16, min(size, len(head)) - 3, 4)}
        for entry in self._brands:
            if major in entry.brands and not entry.generic:
                return entry.content
        present = compatible | {major, "*"}
        return next((entry.content for entry in self._brands if entry.brands & present), None)


def detect(head: bytes, extension: str, table: FormatTable) -> Detected:
    """Tell a file's format from its first bytes and its extension.

    The content decides; the extension chooses between formats with the same signature (RAW formats that are TIFF inside) and speaks for
    content without a known signature. Videos in another container than the name says are no mismatch, players do not mind either.

    Args:
        head: The first ``HEAD_BYTES`` bytes of the file, or all of a shorter one. Empty for an empty file.
        extension: As in the file's name, without the dot; "" if it has none.
        table: The known formats.
    """
    named = table.by_extension(extension)
    promised = named.name if named else None
    content = table.content_of(head)
    if content is None:
        other = table.text_of(head) or ("nothing but zero bytes" if head and not any(head) else None)
        if named is None or other is None or not _contradicts("text", named):
            return Detected(named, None, promised, None)
        return Detected(None, None, promised, f"named .{extension.lower()} but the content is {other}")
    actual = table.by_name(content.format) if content.format else None
    shown = content.format or content.name
    if named is None:
        return Detected(actual, shown, None, None)
    if not _contradicts(content.name, named):
        return Detected(named, shown, promised, None)
    if actual and actual.kind == named.kind == "video":
        return Detected(actual, shown, promised, None)
    return Detected(actual, shown, promised, f"named .{extension.lower()} but the content is {content.label}")


def _contradicts(content: str, named: Format) -> bool:
    return bool(named.contents) and content not in named.contents


def _is_text(sample: bytes) -> bool:
    """Whether bytes are readable text: UTF-8 (a character cut at the end is fine) without control characters."""
    if not sample.strip():
        return False
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start < len(sample) - 3:
            return False
        text = sample[: problem.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


# ---------------------------------------------------------------------------------------------------------- reading the table


@functools.cache
def _package_tables() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("immich_pipeline.media").joinpath("formats.toml").read_text("utf-8"))


@functools.cache
def _package_table() -> FormatTable:
    return _build([_package_tables()])


def _read_extra(path: Path) -> Mapping[str, Any]:
    """The user's file, each entry tried so that the message can say which one is wrong."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise UserError(f"cannot read the format table {path}: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UserError(f"the format table {path} is not valid TOML: {problem}") from problem
    parsers = {"format": _format, "signature": _signature, "brand": _brand, "text": _text}
    for key, entries in tables.items():
        if key not in parsers or not isinstance(entries, list):
            raise UserError(
                f"the format table {path} has {key!r}; it may have [[format]], [[signature]], [[brand]] and [[text]]"
            )
        for number, entry in enumerate(entries, start=1):
            try:
                parsers[key](entry)
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                raise UserError(
                    f"the format table {path}: [[{key}]] number {number}: {_what_is_wrong(problem)}"
                ) from problem
    return tables


def _what_is_wrong(problem: Exception) -> str:
    return f"{problem.args[0]} is missing" if isinstance(problem, KeyError) else str(problem)


def _build(sources: Iterable[Mapping[str, Any]]) -> FormatTable:
    """A table of several sources, the one that counts most first."""
    ordered = list(sources)
    entries = {
        key: [entry for source in ordered for entry in source.get(key, [])] for key in ("signature", "brand", "text")
    }
    by_name: dict[str, Format] = {}
    for source in reversed(ordered):
        by_name.update({entry["name"]: _format(entry) for entry in source.get("format", [])})
    overriding = {entry["name"] for entry in ordered[0].get("format", [])}
    # Formats of the user's file claim their extensions last, also where they replace a format of the package.
    claims = sorted(by_name.values(), key=lambda fmt: fmt.name in overriding)
    return FormatTable(
        formats=tuple(by_name.values()),
        _signatures=tuple(_signature(entry) for entry in entries["signature"]),
        _brands=tuple(_brand(entry) for entry in entries["brand"]),
        _texts=tuple(_text(entry) for entry in entries["text"]),
        _by_name=by_name,
        _by_extension={extension: fmt for fmt in claims for extension in fmt.extensions},
    )


def _format(entry: Mapping[str, Any]) -> Format:
    if entry["kind"] not in get_args(Kind):
        raise ValueError(f"kind is {entry['kind']!r}; it may be {', '.join(get_args(Kind))}")
    return Format(
        name=_string(entry, "name"),
        kind=entry["kind"],
        extensions=tuple(extension.lower().removeprefix(".") for extension in _strings(entry, "extensions")),
        mime=_string(entry, "mime"),
        label=entry.get("label", entry["name"]),
        contents=_strings(entry, "contents") if "contents" in entry else (),
    )


def _signature(entry: Mapping[str, Any]) -> _Signature:
    runs = [run for part in entry["parts"] for run in _runs(part["offset"], _string(part, "bytes"))]
    if not runs:
        raise ValueError("parts must name at least one byte")
    return _Signature(_content(entry), tuple(runs))


def _runs(offset: int, pattern: str) -> list[tuple[int, bytes]]:
    """A pattern such as "47 ?? 38" as (offset, bytes) of its fixed bytes."""
    if not isinstance(offset, int) or offset < 0:
        raise ValueError(f"offset is {offset!r}; it must be a number, 0 or more")
    fixed = [(offset + at, token) for at, token in enumerate(pattern.split()) if token != _ANY_BYTE]
    if fixed and fixed[-1][0] >= HEAD_BYTES:
        raise ValueError(f"only the first {HEAD_BYTES} bytes of a file are looked at")
    return [(at, bytes.fromhex(token)) for at, token in fixed]


def _brand(entry: Mapping[str, Any]) -> _Brand:
    return _Brand(_content(entry), frozenset(_strings(entry, "brands")), bool(entry.get("generic", False)))


def _text(entry: Mapping[str, Any]) -> _Text:
    return _Text(_string(entry, "label"), tuple(start.lower().encode() for start in _strings(entry, "starts")))


def _content(entry: Mapping[str, Any]) -> Content:
    return Content(_string(entry, "name"), _string(entry, "label"), entry.get("format"))


def _string(entry: Mapping[str, Any], key: str) -> str:
    if not isinstance(entry[key], str):
        raise TypeError(f"{key} must be text")
    return str(entry[key])


def _strings(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = entry[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key} must be a list of texts")
    return tuple(values)
