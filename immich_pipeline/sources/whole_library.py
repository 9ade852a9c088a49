"""What each whole-library asset is computed from: so that nothing is computed again from the same inputs."""

from dataclasses import dataclass

from immich_pipeline.config import Settings
from immich_pipeline.store import state
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames

REPORT_FILES = ("duplicates.html", "duplicates.json", "duplicates.csv")
"""What the duplicate report consists of, in the reports folder."""


@dataclass(frozen=True)
class Inputs:
    """The topics whose revisions count, the settings that matter, and the version of the code."""

    topics: tuple[str, ...]
    settings: tuple[str, ...] = ()
    code_version: str = "1"


WHOLE_LIBRARY = {
    "capture_groups": Inputs(("library", "content", "choices"), ("capture_rules",), code_version="3"),
    "duplicate_candidates": Inputs(("library", "content"), ("near_radius",), code_version="2"),
    "duplicate_groups": Inputs(
        ("library", "content", "candidates", "captures", "choices"), ("capture_rules",), code_version="4"
    ),
    "duplicate_decisions": Inputs(
        ("library", "content", "duplicates", "choices", "details"), ("duplicates",), code_version="3"
    ),
    "duplicate_report": Inputs(("library", "content", "duplicates", "decisions"), ("reports",), code_version="2"),
}


def inputs_of(frames: Frames, asset: str, settings: Settings) -> str:
    """The asset's inputs as they are now."""
    inputs = WHOLE_LIBRARY[asset]
    parameters = {name: str(getattr(settings, name)) for name in inputs.settings}
    return state.fingerprint(frames, inputs.topics, {"code": inputs.code_version, **parameters})


def all_current(database: Database, settings: Settings) -> bool:
    """Whether every whole-library asset was computed from what there is now, and the report is on disk."""
    with database.frames() as frames:
        current = all(state.is_current(frames, asset, inputs_of(frames, asset, settings)) for asset in WHOLE_LIBRARY)
    return current and all((settings.reports / name).is_file() for name in REPORT_FILES)
