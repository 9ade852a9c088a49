"""What a plan is made of, and what a kind of change has to bring along: a planner and an executor."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args

from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.config import Settings
from immich_pipeline.store.database import Database

Mode: TypeAlias = Literal["plan", "approve", "auto"]
"""What may be applied: nothing, what a person approved, everything that nobody rejected."""

State: TypeAlias = Mapping[str, Any]
"""What the server says of an action's subjects, in values that JSON has. Executors see it as JSON gives it back: lists, no tuples."""


@dataclass(frozen=True)
class Action:
    """One change, complete in itself: what to do, to which assets, and what must hold for it still to be right.

    Payload, preconditions and reason are stored and shown: no secret belongs in them.

    Attributes:
        operation: a word of the kind's own, e.g. `create`.
        owner_id: whose assets they are, and with whose key it is done.
        subjects: ids of all assets that it touches; the order may carry a meaning.
        payload: what the executor needs, in JSON's values.
        preconditions: what was so when it was planned, in JSON's values; `Executor.check` compares.
        reason: why, for the person who reads the plan.
        phase: actions of a lower phase are done first; within one, the order has no meaning. No part of the identity.
    """

    operation: str
    owner_id: str
    subjects: tuple[str, ...]
    payload: Mapping[str, Any]
    preconditions: Mapping[str, Any]
    reason: str
    phase: int = field(default=0, compare=False)

    def action_id(self, kind: str) -> str:
        """The idempotence key: the same change has the same id in every plan of the kind, whatever its reason is worded like."""
        return _digest([kind, self.operation, self.owner_id, self.subjects, self.payload, self.preconditions])


@dataclass(frozen=True)
class Plan:
    """What would be changed. Made by `Plan.of`, which derives the id from the content."""

    plan_id: str
    kind: str
    mode: Mode
    policy_hash: str
    input_fingerprint: str
    actions: tuple[Action, ...]
    summary: Mapping[str, int]

    @classmethod
    def of(  # noqa: PLR0917 - the five that identify a plan, in the order of its fields
        cls,
        kind: str,
        mode: Mode,
        policy_hash: str,
        input_fingerprint: str,
        actions: Iterable[Action],
        summary: Mapping[str, int] | None = None,
    ) -> "Plan":
        """A plan of these actions, in whatever order they come.

        Args:
            kind: the kind of change, e.g. `stacks`.
            mode: what may be applied; part of the identity, so that a changed mode makes a new plan.
            policy_hash: identity of the settings that decided.
            input_fingerprint: identity of what was looked at (`store.state.fingerprint`).
            actions: what would be done.
            summary: numbers for the reader; None: actions per operation.

        Raises:
            ValueError: the mode is unknown, an action has no subject, or one is there twice.
            TypeError: a payload or precondition holds what JSON does not have.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"a plan's mode is one of {', '.join(get_args(Mode))}, not {mode!r}")
        keyed = _in_order(kind, actions)
        identity = _digest([kind, mode, policy_hash, input_fingerprint, sorted(action_id for action_id, _ in keyed)])
        counted = dict(summary) if summary is not None else _per_operation(action for _, action in keyed)
        ordered = tuple(action for _, action in keyed)
        return cls(f"{kind}-{identity}", kind, mode, policy_hash, input_fingerprint, ordered, counted)

    @property
    def subjects(self) -> frozenset[str]:
        """Every asset that the plan would touch."""
        return frozenset(subject for action in self.actions for subject in action.subjects)


class Executor(Protocol):
    """How one kind of change is done on a server.

    Every method may be called again after the process was killed in the middle of it: the engine reads the subjects afresh, and then
    asks `is_done` (or `is_undone`) or calls again. What goes wrong with one action is raised as a `UserError` (`ImmichError`): it fails
    that action alone. Nothing returned may hold a secret: it is journalled.
    """

    @property
    def kind(self) -> str:
        """The kind of plan that this executes."""
        ...

    def read(self, action: Action) -> State:
        """What the server says of the action's subjects now. Must not change anything."""
        ...

    def check(self, action: Action, state: State) -> str | None:
        """Why the action must not be done any more, for a person; None when it may.

        After a crash it is asked with the state that the action's first half has left, which must pass: by that, the engine tells our
        own half-done work, which can be undone, from one that somebody else has changed, which is left alone.
        """
        ...

    def is_done(self, action: Action, state: State) -> bool:
        """Whether the wanted state is there already: no call is made then."""
        ...

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """Make the call or calls; returns details for the journal (e.g. the new stack's id)."""
        ...

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """What we changed, in the terms that `undo` needs; also asked of an action that was done in part."""
        ...

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """Put back what we changed; or change nothing and return the reason, when somebody else has changed it since.

        After a crash it is asked with the state that its own first half has left, which is no reason to refuse.
        """
        ...

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """Whether everything that the action changes is as it was before it (ids that the server made anew aside)."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of change, as the command line and Dagster use it.

    Attributes:
        name: as `Plan.kind`.
        planner: looks at the database and makes the plan; changes nothing. It is saved by the caller (`engine.save_plan`).
        executor: opens the executor, with connections that are closed on leaving.
        brakes: what the settings allow one plan to touch.
    """

    name: str
    planner: Callable[[Database, Settings], Plan]
    executor: Callable[[Database, Settings], AbstractContextManager[Executor]]
    brakes: Callable[[Settings], Brakes]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they come back from the journal: what JSON has, without NUL characters, which PostgreSQL cannot store.

    Raises:
        TypeError: something has no form in JSON (a secret, a date); ValueError: a number is not finite.
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, default=_refuse)
    return cast(dict[str, Any], _without_nul(json.loads(text)))


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _refuse(value: object) -> Any:
    raise TypeError(f"a {type(value).__name__} cannot be part of a plan or of the journal")


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_refuse)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _in_order(kind: str, actions: Iterable[Action]) -> list[tuple[str, Action]]:
    keyed = {}
    for action in actions:
        if not action.subjects:
            raise ValueError(f"the action {action.operation} of a plan of {kind} names no asset")
        known = Action(
            action.operation, action.owner_id, tuple(action.subjects), plain(action.payload), plain(action.preconditions),
            action.reason, action.phase,
        )  # fmt: skip
        action_id = known.action_id(kind)
        if action_id in keyed:
            raise ValueError(
                f"a plan of {kind} names the same action twice: {action.operation} of {action.subjects[0]}"
            )
        keyed[action_id] = known
    return sorted(keyed.items(), key=lambda item: (item[1].phase, item[1].owner_id, item[1].subjects, item[0]))


def _per_operation(actions: Iterable[Action]) -> dict[str, int]:
    return dict(sorted(Counter(action.operation for action in actions).items()))
