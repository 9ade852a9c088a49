"""When it is of no use to go on with an owner's actions: every one of them would fail alike."""

from dataclasses import dataclass, field

from immich_pipeline.immich.errors import ApiError, ReadOnlyServer, Unreachable

_IN_A_ROW = 5
_REFUSALS = (401, 403)


@dataclass
class Patience:
    """Counts, per owner, how often the same thing that concerns all actions went wrong one after the other.

    Attributes:
        stopped: owners that are not tried any more, and why.
    """

    stopped: dict[str, str] = field(default_factory=dict)
    _row: dict[str, tuple[str, int]] = field(default_factory=dict)

    def note(self, owner_id: str, error: Exception | None) -> None:
        """Take into account how an action of this owner ended; None: it did not fail."""
        reason = _hopeless(error)
        if reason is None:
            self._row.pop(owner_id, None)
            return
        known, times = self._row.get(owner_id, (reason, 0))
        times = times + 1 if known == reason else 1
        self._row[owner_id] = (reason, times)
        if times >= _IN_A_ROW or isinstance(error, ReadOnlyServer):
            self.stopped[owner_id] = str(error)


def _hopeless(error: Exception | None) -> str | None:
    if isinstance(error, Unreachable | ReadOnlyServer):
        return type(error).__name__
    if isinstance(error, ApiError) and error.status in _REFUSALS:
        return f"{error.status} {error.missing_permission}"
    return None
