"""One executor for a plan whose actions are about different places: each action goes to the one that can do it."""

from collections.abc import Mapping
from typing import Any

from immich_pipeline.actions.model import Action, Executor, State
from immich_pipeline.errors import UserError


class ByPlace:
    """Implements `model.Executor` by asking the executor of the action's operation."""

    def __init__(self, kind: str, by_operation: Mapping[str, Executor], otherwise: Executor | None) -> None:
        """Take over the executors.

        Args:
            kind: of the plans.
            by_operation: who does which operation.
            otherwise: who does every other one; None: nobody can.
        """
        self._kind, self._by_operation, self._otherwise = kind, by_operation, otherwise

    @property
    def kind(self) -> str:
        """The kind of plan that this executes."""
        return self._kind

    def read(self, action: Action) -> State:
        """See `Executor`."""
        return self._executor(action).read(action)

    def check(self, action: Action, state: State) -> str | None:
        """See `Executor`."""
        return self._executor(action).check(action, state)

    def is_done(self, action: Action, state: State) -> bool:
        """See `Executor`."""
        return self._executor(action).is_done(action, state)

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """See `Executor`."""
        return self._executor(action).execute(action, state)

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """See `Executor`."""
        return self._executor(action).made(action, before, after)

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """See `Executor`."""
        return self._executor(action).undo(action, before, made, now)

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """See `Executor`."""
        return self._executor(action).is_undone(action, before, now)

    def _executor(self, action: Action) -> Executor:
        found = self._by_operation.get(action.operation, self._otherwise)
        if found is None:
            raise UserError(
                f"'{action.operation}' is done on an Immich server: set immich.url and a key per user in immich.users"
            )
        return found
