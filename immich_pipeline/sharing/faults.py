"""What an error of the database means: for the asset that was being written, for the phase, or for the whole cycle."""

from typing import Literal

import psycopg

Reach = Literal["asset", "phase", "cycle"]

# https://www.postgresql.org/docs/current/errcodes-appendix.html, by the first two characters
_OF_AN_ASSET = frozenset({"09", "21", "22", "23", "27", "38", "39", "44", "54", "P0", "XX"})
"""Values and constraints, triggers that refuse, limits, damaged rows: another asset may go through."""
_OF_THE_CYCLE = frozenset({"08", "28", "42", "53", "57", "58"})
"""Connection, rights and schema, no space, shut down: nothing will go through."""
_TIMED_OUT = "57014"


def reach(error: psycopg.Error) -> Reach:
    """How far an error reaches."""
    state = error.sqlstate or ""
    if state == _TIMED_OUT:
        return "phase"
    if not state or state[:2] in _OF_THE_CYCLE:
        return "cycle"
    return "asset" if state[:2] in _OF_AN_ASSET else "phase"


def said(error: Exception) -> str:
    """An error in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
