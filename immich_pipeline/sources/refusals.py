"""When to stop asking a server that keeps refusing."""

from collections import Counter
from threading import Lock

from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, Unreachable
from immich_pipeline.media.reasons import SERVER_SILENT, MediaError

REFUSED_IN_A_ROW = 20
"""So many times the same refusal (401 or 403), and the rest of that owner is not asked any more."""
SILENT_IN_A_ROW = 8
"""So many requests without an answer, each of them retried, and nothing more is asked in this run."""

_REFUSALS = (401, 403)
_BUSY = (429, 502, 503, 504)


class Refusals:
    """What each owner's key was refused in a row, in one run. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_a_row: dict[str, Counter[int]] = {}
        self._silent = 0
        self._given_up: dict[str | None, MediaError] = {}

    def given_up(self, owner: str) -> MediaError | None:
        """Why nothing more should be asked for this owner; None as long as it should."""
        with self._lock:
            return self._given_up.get(owner) or self._given_up.get(None)

    def answered(self, owner: str) -> None:
        """Count an answer, be it that there is no such thing: whoever tells that may be asked again."""
        with self._lock:
            self._in_a_row.pop(owner, None)
            self._silent = 0

    def reason(self, owner: str, error: ImmichError) -> MediaError:
        """Count an error; returns it as the reason why the picture is not there."""
        if isinstance(error, NotFound):
            self.answered(owner)
            return MediaError("not_on_server", str(error))
        if isinstance(error, ApiError) and error.status in _REFUSALS:
            return self._refused(owner, error.status, MediaError("not_permitted", str(error)))
        if isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status in _BUSY):
            return self._unanswered(MediaError("io_error", f"{SERVER_SILENT} ({error})"))
        return MediaError("io_error", str(error))

    def _refused(self, owner: str, status: int, reason: MediaError) -> MediaError:
        with self._lock:
            counts = self._in_a_row.get(owner, Counter())
            self._in_a_row[owner] = Counter({status: counts[status] + 1})
            self._silent = 0
            if counts[status] + 1 >= REFUSED_IN_A_ROW:
                self._given_up[owner] = reason
        return reason

    def _unanswered(self, reason: MediaError) -> MediaError:
        with self._lock:
            self._silent += 1
            if self._silent >= SILENT_IN_A_ROW:
                self._given_up[None] = reason
        return reason
