"""One action, one attempt: what is asked, done and written down, in an order that may be broken off anywhere."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec

from immich_pipeline.actions.model import Action, Executor, State, plain
from immich_pipeline.actions.standing import Standing
from immich_pipeline.errors import UserError
from immich_pipeline.store.journal import Event, Journal

Outcome = Literal["done", "already", "skipped", "failed", "undone", "refused"]
_P = ParamSpec("_P")
logger = logging.getLogger("immich_pipeline")


class ActionFailed(Exception):  # noqa: N818 - says what is the matter
    """What went wrong with one action, and with it alone."""

    def __init__(self, reason: str, cause: Exception) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Attributes:
        outcome: what became of the action.
        reason: why, where it is not done.
        error: what was raised, if anything was.
    """

    outcome: Outcome
    reason: str = ""
    error: Exception | None = None


@dataclass
class Attempt:
    """An action, where it stands, and what it is to be done with."""

    plan_id: str
    action_id: str
    action: Action
    standing: Standing
    executor: Executor
    journal: Journal
    calls: int = 0

    def apply(self) -> Ended:
        """Do it, unless it is done, or must not be done any more."""
        try:
            state = self._read()
            done = self._asked(self.executor.is_done, self.action, state)
            if done:
                return self._found_done(state)
            stale = self._asked(self.executor.check, self.action, state)
        except ActionFailed as failed:
            return self._note("failed", failed)
        if stale is None:
            return self._execute(state)
        if self.standing.before is None:
            return self._note_skipped(stale)
        return self._end_unverified(state, f"begun, and then something changed: {stale}", None)

    def settle(self) -> Ended:
        """Find out what came of an attempt that nobody saw the end of; no call is made but to read."""
        try:
            state = self._read()
            if self._asked(self.executor.is_done, self.action, state):
                return self._found_done(state)
        except ActionFailed as failed:
            return Ended("failed", str(failed), failed.cause)
        return self._end_unverified(state, "broken off before it was done", None)

    def undo(self) -> Ended:
        """Put back what was changed, unless somebody else has changed it since."""
        if self.standing.is_open_question:
            return Ended("failed", "it is not known yet what came of it, since the server could not be asked")
        if self._changed_nothing():
            self._write("undone", detail="nothing had been changed")
            return Ended("undone")
        before = self.standing.before or {}
        try:
            now = self._read()
            undone = self._asked(self.executor.is_undone, self.action, before, now)
        except ActionFailed as failed:
            return Ended("failed", str(failed), failed.cause)
        if undone:
            self._write("undone", before=before, after=now)
            return Ended("undone")
        return self._undo_from(before, now)

    def _undo_from(self, before: State, now: State) -> Ended:
        if self.standing.last == "undo_refused" and self.standing.seen == now:
            return Ended("refused", self.standing.detail or "")
        made = self.standing.made
        if made is None:
            return self._refuse(
                now, "it was broken off, and somebody else changed it then: what is ours of it cannot be told"
            )
        self._write("undo_begun", before=before, after=now)
        return self._put_back(before, made, now)

    def _changed_nothing(self) -> bool:
        return not self.standing.made and self.standing.last == "done" and self.standing.seen == self.standing.before

    def _put_back(self, before: State, made: State, now: State) -> Ended:
        error: ActionFailed | None = None
        refusal = None
        try:
            self.calls += 1
            refusal = self._asked(self.executor.undo, self.action, before, made, now)
        except ActionFailed as failed:
            error = failed
        if refusal is not None:
            self.calls -= 1
            return self._refuse(now, refusal)
        try:
            after = self._read()
            undone = self._asked(self.executor.is_undone, self.action, before, after)
        except ActionFailed as failed:
            error = error or failed
            self._write("undo_failed", before=before, detail=str(error))
            return Ended("failed", str(error), error.cause)
        if undone:
            self._write("undone", before=before, after=after)
            return Ended("undone")
        reason = str(error) if error else "the server has not put it back"
        self._write("undo_failed", before=before, after=after, detail=reason)
        return Ended("failed", reason, error.cause if error else None)

    def _refuse(self, now: State, reason: str) -> Ended:
        self._write("undo_refused", before=self.standing.before, after=now, detail=reason)
        return Ended("refused", reason)

    def _found_done(self, state: State) -> Ended:
        if self.standing.before is None:
            self._write("done", before=state, after=state, made={}, detail="it was so already")
            return Ended("already")
        return self._end_done(state, "found done")

    def _execute(self, state: State) -> Ended:
        before = state if self.standing.before is None else self.standing.before
        self._write("begun", before=before)
        self.standing.before = before
        error: ActionFailed | None = None
        details: Mapping[str, Any] = {}
        self.calls += 1
        try:
            details = self._state(self.executor.execute, self.action, state)
        except ActionFailed as failed:
            error = failed  # it may have been done all the same
        try:
            after = self._read()
            done = self._asked(self.executor.is_done, self.action, after)
        except ActionFailed as failed:
            error = error or failed
            self._write("failed", before=before, detail=str(error))
            return Ended("failed", str(error), error.cause)
        if done:
            return self._end_done(after, str(error) if error else _as_words(details))
        reason = str(error) if error else "the server has not done it, though it did not complain"
        return self._end_unverified(after, reason, error.cause if error else None)

    def _end_done(self, after: State, detail: str | None) -> Ended:
        self._write("done", before=self.standing.before, after=after, made=self._made(after), detail=detail or None)
        return Ended("done")

    def _end_unverified(self, after: State, reason: str, error: Exception | None) -> Ended:
        """It is not as it should be: say so, unless that is what was said last."""
        last = self.standing
        if (last.last, last.detail, last.seen) != ("failed", reason, after):
            made = self._made(after) if self._is_ours(after) else None
            self._write("failed", before=last.before, after=after, made=made, detail=reason)
        return Ended("failed", reason, error)

    def _is_ours(self, after: State) -> bool:
        """Whether a state in which it is not done is one that our own half of the work leaves: if not, somebody else had a hand in it."""
        try:
            return self._asked(self.executor.check, self.action, after) is None
        except ActionFailed:
            return False

    def _made(self, after: State) -> State:
        """What we changed. Only a mistake in the executor fails here, and then the states alone have to tell."""
        try:
            return self._state(self.executor.made, self.action, self.standing.before or {}, after)
        except ActionFailed:
            return {}

    def _note(self, event: Event, failed: ActionFailed) -> Ended:
        """It could not even be looked at: nothing was begun, or what was begun is as unclear as before."""
        if (self.standing.last, self.standing.detail) != (event, str(failed)):
            self._write(event, before=self.standing.before, detail=str(failed))
        return Ended("failed", str(failed), failed.cause)

    def _note_skipped(self, reason: str) -> Ended:
        if (self.standing.last, self.standing.detail) != ("skipped", reason):
            self._write("skipped", detail=reason)
        return Ended("skipped", reason)

    def _write(
        self,
        event: Event,
        *,
        before: State | None = None,
        after: State | None = None,
        made: State | None = None,
        detail: str | None = None,
    ) -> None:
        self.journal.write(self.plan_id, self.action_id, event, before=before, after=after, made=made, detail=detail)

    def _read(self) -> State:
        return self._state(self.executor.read, self.action)

    def _state(self, ask: Callable[_P, Mapping[str, Any]], *args: _P.args, **kwargs: _P.kwargs) -> State:
        state: State = _isolated(lambda: plain(ask(*args, **kwargs)))
        return state

    def _asked(self, ask: Callable[_P, Any], *args: _P.args, **kwargs: _P.kwargs) -> Any:
        return _isolated(lambda: ask(*args, **kwargs))


def _isolated(call: Callable[[], Any]) -> Any:
    """What a call of the executor returns.

    Raises:
        ActionFailed: it raised something. A mistake of ours must not keep the other actions from being done either; its message might
            hold anything, so only its name is written down, and the log gets the rest.
    """
    try:
        return call()
    except UserError as error:
        raise ActionFailed(str(error), error) from error
    except Exception as error:
        logger.exception("an action failed in a way that nobody thought of")
        raise ActionFailed(f"unexpected {type(error).__name__}; see the log", error) from error


def _as_words(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items())
