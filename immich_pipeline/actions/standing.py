"""How far an action is, from what the journal says of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from immich_pipeline.actions.model import State
from immich_pipeline.store.journal import Entry, Event


@dataclass
class Standing:
    """One action's place between planned, done and undone.

    Attributes:
        last: what happened last; None: nothing yet.
        detail: what was said of it.
        seen: the state that was read then, if any.
        before: what the subjects were before our first attempt, while an effect of ours is there or cannot be excluded.
        made: what we changed; None: not known, or mixed with what somebody else changed.
        entry: the number of the last entry that began or ended an attempt; undo goes backwards by it.
        runs: the runs that took part since it was last undone.
    """

    last: Event | None = None
    detail: str | None = None
    seen: State | None = None
    before: State | None = None
    made: State | None = None
    entry: int = 0
    runs: set[str] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        """Whether it was done, by us or before us, and is not known to be undone."""
        return self.last in {"done", "undo_refused"}

    @property
    def is_being_undone(self) -> bool:
        """Whether an undo was begun and has not come to an end."""
        return self.last in {"undo_begun", "undo_failed"}

    @property
    def is_open_question(self) -> bool:
        """Whether an attempt ended without anybody having looked what came of it."""
        return self.before is not None and (self.last == "begun" or (self.last == "failed" and self.seen is None))

    def add(self, entry: Entry) -> None:
        """Take the next entry into account."""
        self.last, self.detail, self.seen = entry.event, entry.detail, entry.after
        match entry.event:
            case "begun" | "done":
                self.before = entry.before if self.before is None else self.before
                self.made, self.entry = entry.made, entry.entry
                self.runs.add(entry.run_id)
            case "failed":
                self.made = entry.made
                if entry.after is not None and entry.after == self.before:
                    self._forget()  # it had no effect
            case "undone":
                self._forget()
            case _:
                pass

    def _forget(self) -> None:
        """Nothing of ours is there any more."""
        self.before = self.made = None
        self.runs.clear()


def standings(entries: Iterable[Entry]) -> dict[tuple[str, str], Standing]:
    """The standing of each action, by plan id and action id; entries come oldest first."""
    found: dict[tuple[str, str], Standing] = {}
    for entry in entries:
        found.setdefault((entry.plan_id, entry.action_id), Standing()).add(entry)
    return found
