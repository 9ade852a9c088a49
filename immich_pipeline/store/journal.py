"""The journal of everything that was ever changed outside this database: append-only, and written by one process per kind at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from immich_pipeline.errors import UserError
from immich_pipeline.store.actions import applier_lock
from immich_pipeline.store.database import Database

Event: TypeAlias = Literal["begun", "done", "failed", "skipped", "undo_begun", "undone", "undo_refused", "undo_failed"]
_PATIENCE = "3s"  # longer than anybody but an applier holds the lock
_COLUMNS = "j.entry, j.run_id, j.plan_id, j.action_id, j.event, j.before, j.after, j.made, j.detail"
_DETAIL_LIMIT = 2000


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    entry: int
    run_id: str
    plan_id: str
    action_id: str
    event: Event
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    made: dict[str, Any] | None
    detail: str | None


class Busy(UserError):  # noqa: N818 - says what is the matter
    """Another process applies or undoes plans of this kind right now."""


class Journal:
    """The journal, open for writing. Each entry is committed when `write` returns.

    The connection holds the kind's lock: if it is lost, another process may go on, and this one cannot write, and so does not act.
    """

    def __init__(self, connection: psycopg.Connection, run_id: str) -> None:
        self._connection, self.run_id = connection, run_id

    def write(
        self,
        plan_id: str,
        action_id: str,
        event: Event,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        made: Mapping[str, Any] | None = None,
        detail: str | None = None,
    ) -> None:
        """Append an entry."""
        states = [None if state is None else Jsonb(dict(state)) for state in (before, after, made)]
        words = None if detail is None else detail.replace("\0", "\ufffd")[:_DETAIL_LIMIT]
        self._connection.execute(
            "INSERT INTO actions.journal (run_id, plan_id, action_id, event, before, after, made, detail) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (self.run_id, plan_id, action_id, event, *states, words),
        )

    def of_plan(self, plan_id: str) -> list[Entry]:
        """All entries of a plan, the oldest first."""
        return self._entries("j.plan_id = %s", plan_id)

    def unfinished(self, kind: str) -> list[Entry]:
        """All entries of the kind's actions of which it is not known whether the last attempt had an effect; the oldest first."""
        return self._entries(
            "(j.plan_id, j.action_id) IN (SELECT l.plan_id, l.action_id FROM actions.journal l JOIN actions.plan p USING (plan_id) "
            "WHERE p.kind = %s AND (l.event = 'begun' OR l.event = 'failed' AND l.after IS NULL) AND NOT EXISTS (SELECT 1 "
            "FROM actions.journal n WHERE (n.plan_id, n.action_id) = (l.plan_id, l.action_id) AND n.entry > l.entry))",
            kind,
        )

    def _entries(self, condition: str, value: str) -> list[Entry]:
        query = f"SELECT {_COLUMNS} FROM actions.journal j WHERE {condition} ORDER BY j.entry"
        with self._connection.cursor(row_factory=class_row(Entry)) as cursor:
            return cursor.execute(query.encode(), (value,)).fetchall()


@contextmanager
def open_journal(database: Database, kind: str, run_id: str, *, wait: bool = False) -> Iterator[Journal]:
    """Be the one that applies or undoes plans of a kind.

    A killed process gives its place up by itself, since the lock ends with its connection.

    Raises:
        Busy: another process does so, and we do not wait.
    """
    with database.connect(autocommit=True) as connection:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", ("0" if wait else _PATIENCE,))
        try:
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (applier_lock(kind),))
        except psycopg.errors.LockNotAvailable:
            raise Busy(
                f"plans of {kind} are just being applied or undone by another process: wait until it has ended"
            ) from None
        yield Journal(connection, run_id)


def read_plan(database: Database, plan_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A plan and its actions in their order, JSON decoded.

    Args:
        database: where it is stored.
        plan_id: the id, or a beginning of it that no other plan's has.

    Raises:
        UserError: there is no such plan, or more than one.
    """
    with database.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        query = "SELECT * FROM actions.plan WHERE starts_with(plan_id, %s) ORDER BY plan_id = %s DESC LIMIT 2"
        found = cursor.execute(query, (plan_id, plan_id)).fetchall() if plan_id else []
        if not found:
            raise UserError(f"there is no plan {plan_id}: 'immich-pipeline plans' lists them")
        if len(found) > 1 and found[0]["plan_id"] != plan_id:
            raise UserError(f"more than one plan begins with {plan_id}: write more of the id")
        wanted = "SELECT * FROM actions.plan_action WHERE plan_id = %s ORDER BY position"
        return found[0], cursor.execute(wanted, (found[0]["plan_id"],)).fetchall()


def plans_of_run(database: Database, run_id: str) -> list[str]:
    """The plans that a run has worked on."""
    with database.connect() as connection:
        query = "SELECT DISTINCT plan_id FROM actions.journal WHERE run_id = %s ORDER BY plan_id"
        return [plan_id for (plan_id,) in connection.execute(query, (run_id,)).fetchall()]
