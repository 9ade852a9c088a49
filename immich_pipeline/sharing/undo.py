"""Taking back: what a run did, or everything that a job ever did."""

from dataclasses import dataclass, field

from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.session import Connection
from immich_pipeline.sharing.work import Counts


@dataclass(frozen=True)
class UndoReport:
    """What was taken back.

    Attributes:
        counts: rows of Immich's that were removed, put back or made again, per table; files as "files".
        refused: what was left as it is since somebody changed it afterwards, a sentence each.
    """

    counts: Counts = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def undo_run(connection: Connection, run_id: int, media: MediaFolder) -> UndoReport:
    """Take back what one run did.

    Raises:
        UserError: there is no such run; another run is writing.
    """
    raise NotImplementedError


def undo_job(connection: Connection, job_name: str, media: MediaFolder) -> UndoReport:
    """Take back everything that a job did, the newest run first; what it knows is forgotten then.

    Raises:
        UserError: the job never ran; another run is writing.
    """
    raise NotImplementedError
