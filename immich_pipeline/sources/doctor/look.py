"""One look at one thing: it ends in time, and whatever goes wrong in it is a finding and stops nothing else."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from immich_pipeline.errors import UserError
from immich_pipeline.sources.doctor.report import Finding

T = TypeVar("T")


@dataclass
class Notes:
    """Collects the findings of one area."""

    area: str
    rows: list[Finding] = field(default_factory=list)

    def ok(self, subject: str, detail: str, remedy: str = "") -> None:
        """Note that something is as it should be."""
        self.rows.append(Finding(self.area, subject, "ok", detail, remedy))

    def warning(self, subject: str, detail: str, remedy: str = "") -> None:
        """Note something that works, but should be known."""
        self.rows.append(Finding(self.area, subject, "warning", detail, remedy))

    def problem(self, subject: str, detail: str, remedy: str = "") -> None:
        """Note something that is configured and does not work."""
        self.rows.append(Finding(self.area, subject, "problem", detail, remedy))


class Look(Generic[T]):
    """A check in a thread of its own, begun at once. A dead network mount can hold a thread for ever, but not the doctor."""

    def __init__(self, area: str, subject: str, seconds: float, check: Callable[[Notes], T]) -> None:
        """Begin the check.

        Args:
            area: of the findings that the check makes.
            subject: what is looked at, for the finding that it takes too long or fails.
            seconds: how long it may take from now.
            check: makes findings, and returns what later checks want to know.
        """
        self._subject, self._seconds = subject, seconds
        self._deadline = time.monotonic() + seconds
        self._notes = Notes(area)
        self._value: T | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, args=(check,), daemon=True, name=f"doctor: {subject}").start()

    def _run(self, check: Callable[[Notes], T]) -> None:
        try:
            self._value = check(self._notes)
        except BaseException as error:  # noqa: BLE001 - a panic of a native library is one as well; it becomes a finding
            self._error = error
        finally:
            self._done.set()

    def wait(self) -> T | None:
        """What the check returned; None when it failed or took too long, which `rows` then tells."""
        return self._value if self._done.wait(max(self._deadline - time.monotonic(), 0.0)) else None

    @property
    def rows(self) -> list[Finding]:
        """The findings; waits for the check."""
        ended = self._done.wait(max(self._deadline - time.monotonic(), 0.0))
        notes = Notes(self._notes.area, list(self._notes.rows))
        if not ended:
            notes.problem(
                self._subject,
                f"did not answer within {self._seconds:.0f} s",
                "see whether the server, the disk or the network mount hangs, then ask the doctor again",
            )
        elif isinstance(self._error, UserError):
            notes.problem(self._subject, str(self._error))
        elif self._error is not None:
            notes.problem(self._subject, f"could not be checked ({type(self._error).__name__}: {self._error})")
        return notes.rows
