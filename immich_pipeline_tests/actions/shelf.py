"""A small server for the engine's tests: labels on things in a real table, changed one statement and one commit at a time."""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Action, Mode, Plan, State
from immich_pipeline.store.database import Database

KIND = "labels"
OPEN = Brakes(max_share=1.0, max_number=10**9, confirmed=True)


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Ends the process at the n-th step; 0: never."""

    at: int = 0
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Crash


def no_trouble(moment: str, action: Action) -> None:
    return None


@dataclass
class Shelf:
    """Implements `Executor`."""

    url: str
    trouble: Callable[[str, Action], None] = no_trouble
    fuse: Fuse = field(default_factory=Fuse)
    pause: float = 0.0
    calls: int = 0
    kind: str = KIND

    def read(self, action: Action) -> State:
        self.trouble("read", action)
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT id, label FROM shelf WHERE id = ANY(%s)", (list(action.subjects),)
            ).fetchall()
        return {"labels": dict(rows)}

    def check(self, action: Action, state: State) -> str | None:
        self.trouble("check", action)
        wanted = action.payload["labels"]
        for name, planned in action.preconditions["labels"].items():
            now = state["labels"].get(name)
            if now not in (planned, wanted[name]):
                return f"{name} is {now} by now"
        return None

    def is_done(self, action: Action, state: State) -> bool:
        return bool(state["labels"] == action.payload["labels"])

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        self._change(
            action, {name: new for name, new in action.payload["labels"].items() if state["labels"][name] != new}
        )
        return {"changed": len(action.subjects)}

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        return {
            name: (old, after["labels"].get(name))
            for name, old in before["labels"].items()
            if old != after["labels"].get(name)
        }

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        for name, (old, new) in made.items():
            if now["labels"].get(name) not in (old, new):
                return f"somebody made {name} {now['labels'].get(name)}"
        self._change(action, {name: old for name, (old, _) in made.items() if now["labels"][name] != old})
        return None

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        return bool(before["labels"] == now["labels"])

    def _change(self, action: Action, labels: Mapping[str, str]) -> None:
        self.trouble("before", action)
        self.calls += 1
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name, label in labels.items():
                self.fuse.step()
                time.sleep(self.pause)
                connection.execute("UPDATE shelf SET label = %s, changes = changes + 1 WHERE id = %s", (label, name))
                self.fuse.step()
                self.trouble("between", action)
        self.trouble("after", action)


def fill(database: Database, names: Iterable[str]) -> None:
    with database.connect() as connection:
        connection.execute(
            "CREATE TABLE shelf (id text PRIMARY KEY, label text NOT NULL, changes integer NOT NULL DEFAULT 0)"
        )
        for name in names:
            connection.execute("INSERT INTO shelf (id, label) VALUES (%s, %s)", (name, f"old {name}"))


def labels(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        return dict(connection.execute("SELECT id, label FROM shelf ORDER BY id").fetchall())


def relabel(database: Database, name: str, label: str) -> None:
    """As somebody else does it."""
    with database.connect() as connection:
        connection.execute("UPDATE shelf SET label = %s WHERE id = %s", (label, name))


def relabelling(*names: str, owner: str = "anna", new: str = "new") -> Action:
    return Action(
        "relabel",
        owner,
        names,
        {"labels": {name: f"{new} {name}" for name in names}},
        {"labels": {name: f"old {name}" for name in names}},
        f"{', '.join(names)} want a {new} label",
    )


def pairs(count: int) -> list[Action]:
    """Actions of two subjects each: a0 b0, a1 b1, ..."""
    return [relabelling(f"a{number}", f"b{number}") for number in range(count)]


def names_of(actions: Iterable[Action]) -> list[str]:
    return [name for action in actions for name in action.subjects]


def plan_of(actions: Iterable[Action], mode: Mode = "auto", inputs: str = "inputs") -> Plan:
    return Plan.of(KIND, mode, "policy", inputs, actions)


def journal(database: Database) -> list[tuple[str, str]]:
    """Subject and event of each entry, in their order."""
    with database.connect() as connection:
        return connection.execute(
            "SELECT a.subjects->>0, j.event FROM actions.journal j JOIN actions.plan_action a USING (plan_id, action_id) ORDER BY entry"
        ).fetchall()


def events(database: Database) -> list[str]:
    return [event for _, event in journal(database)]


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables of actions and of the server, as PostgreSQL keeps it: any write shows."""
    tables = ("actions.plan", "actions.plan_action", "actions.journal", "shelf")
    with database.connect() as connection:
        return {
            table: connection.execute(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY ctid").fetchall()  # type: ignore[call-overload]
            for table in tables
        }


def check_agreement(database: Database, *, done: str) -> None:
    """What the journal says last of each action is what the server shows, `done` being the event of those that were changed."""
    shown = labels(database)
    with database.connect() as connection:
        last = connection.execute(
            "SELECT DISTINCT ON (plan_id, action_id) a.payload, j.event, j.before FROM actions.journal j "
            "JOIN actions.plan_action a USING (plan_id, action_id) ORDER BY plan_id, action_id, entry DESC"
        ).fetchall()
    for payload, event, before in last:
        assert event == done
        wanted = payload["labels"] if done == "done" else before["labels"]
        assert {name: shown[name] for name in wanted} == wanted


def at_random(dice: random.Random, share: float, make: Callable[[], Exception]) -> Callable[[str, Action], None]:
    """Trouble that comes now and then, at any moment."""

    def trouble(moment: str, action: Action) -> None:
        if dice.random() < share:
            raise make()

    return trouble
