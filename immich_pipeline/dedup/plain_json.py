"""JSON whose text does no harm: neither to the person who opens it in an editor, nor inside a page."""

import json
import re
from typing import Any

from immich_pipeline.dedup.wording import UNSEEN, visible

_ESCAPED_UNSEEN = {code: f"\\u{code:04x}" for code in (*UNSEEN, 0x7F)}
_MARKUP = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
_ESCAPE = re.compile(r'\\(?:(["\\/])|([bfnrt])|u([0-9a-f]{4}))')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


_SPACED = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_CLOSE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def plain_json(value: Any, levels: int = 0) -> str:
    """JSON that says exactly what ``value`` is; characters that cannot be seen, or turn the writing round, are written as escapes.

    Args:
        value: What JSON can say, with texts as keys.
        levels: How many levels of lists and objects get a line for each entry; what is deeper stands in one line.
    """
    return _laid_out(value, levels, "\n").translate(_ESCAPED_UNSEEN)


def _laid_out(value: Any, levels: int, margin: str) -> str:
    if not levels or not value or not isinstance(value, dict | list):
        return _SPACED(value)
    inner = margin + " "
    if isinstance(value, list):
        entries = [_laid_out(entry, levels - 1, inner) for entry in value]
        return f"[{inner}{(',' + inner).join(entries)}{margin}]"
    entries = [f"{_SPACED(name)}: {_laid_out(entry, levels - 1, inner)}" for name, entry in value.items()]
    return f"{{{inner}{(',' + inner).join(entries)}{margin}}}"


def shown_json(value: Any) -> str:
    """One line of JSON to put into a page, its texts as :func:`~immich_pipeline.dedup.wording.visible` shows them.

    No text of it can end the element it stands in: ``<``, ``>`` and ``&`` are written as escapes.
    """
    # One pass over the whole text: of the escapes, only those of control characters are there to be replaced.
    return _ESCAPE.sub(_shown_escape, visible(_CLOSE(value))).translate(_MARKUP)


def _shown_escape(found: re.Match[str]) -> str:
    if found[1]:
        return found[0]
    return visible(_SHORT[found[2]] if found[2] else chr(int(found[3], 16)))
