"""How long the doctor looks, and how much it reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one visit.

    Attributes:
        step_seconds: the longest that one check may take. Checks run side by side, in three rounds.
        request_seconds: the longest wait for one answer of the server.
        retries: how often a request that failed is sent again.
        files_seconds: the longest that the sampled files may take; 0 leaves them out.
        files: how many assets are looked at.
        hashed: of these, how many files at most are read as a whole.
        hashed_bytes: the largest file that is read as a whole.
    """

    step_seconds: float
    request_seconds: float
    retries: int
    files_seconds: float
    files: int = 50
    hashed: int = 10
    hashed_bytes: int = 50_000_000


THOROUGH = Limits(step_seconds=30.0, request_seconds=10.0, retries=1, files_seconds=120.0)
CHEAP = Limits(step_seconds=3.0, request_seconds=2.5, retries=0, files_seconds=0.0)
