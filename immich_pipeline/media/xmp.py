"""The few XMP properties that EXIF may lack: time, place, camera, burst id.

XMP is XML from a stranger: parsed with expat, which holds no tree; a document that declares entities is refused, a packet is bounded, and
damage ends the parsing but keeps what was read.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

MAX_PACKET = 2 * 1024 * 1024

_NAMESPACES = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
}
_WANTED = frozenset(
    {
        "exif:DateTimeOriginal",
        "photoshop:DateCreated",
        "xmp:CreateDate",
        "exif:GPSLatitude",
        "exif:GPSLongitude",
        "exif:GPSAltitude",
        "exif:GPSAltitudeRef",
        "tiff:Make",
        "tiff:Model",
        "GCamera:BurstID",
        "GCamera:CameraBurstID",
    }
)
_MAX_VALUE = 500
_SEPARATOR = "\x01"  # cannot stand in a namespace


class _EntityError(ValueError):
    """The document declares entities, which no XMP needs and bombs are made of."""


class _Properties:
    """Handlers of expat's events: properties are attributes, or elements with text."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._open: str | None = None
        self._text = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        for attribute, value in attributes.items():
            self._keep(_prefixed(attribute), value)
        self._open, self._text = _prefixed(name), ""

    def characters(self, text: str) -> None:
        if self._open and len(self._text) < _MAX_VALUE:
            self._text += text

    def end(self, name: str) -> None:
        del name
        self._keep(self._open, self._text)
        self._open = None

    def refuse_entity(self, *_declaration: Any) -> None:
        raise _EntityError

    def _keep(self, name: str | None, value: str) -> None:
        if name in _WANTED and value.strip():
            self.values.setdefault(name, value.strip()[:_MAX_VALUE])


def _prefixed(name: str) -> str:
    """Our name of a property, from expat's "namespace<separator>name"; "" for other namespaces."""
    namespace, _, local = name.rpartition(_SEPARATOR)
    return f"{_NAMESPACES[namespace]}:{local}" if namespace in _NAMESPACES else ""


def _unpadded(packet: bytes) -> bytes:
    """Without the padding that writers put around it; UTF-16, which has zero bytes of its own, is left as it is."""
    return packet if b"\0" in packet[:4] else packet.strip(b"\0 \t\r\n")


def read_xmp(packet: bytes) -> tuple[dict[str, str], str | None]:
    """Properties of an XMP packet, and what is wrong with it.

    Args:
        packet: XML with or without the packet wrapper; at most ``MAX_PACKET`` bytes of it are looked at.

    Returns:
        The properties by name ("exif:DateTimeOriginal"), and a sentence or None.
    """
    properties = _Properties()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = properties.start
    parser.EndElementHandler = properties.end
    parser.CharacterDataHandler = properties.characters
    parser.EntityDeclHandler = properties.refuse_entity
    try:
        parser.Parse(_unpadded(packet[:MAX_PACKET]), True)
    except _EntityError:
        return {}, "the XMP data declares entities and was not read"
    except expat.ExpatError:
        return properties.values, "the XMP data is damaged"
    return properties.values, None
