from pathlib import Path

import pytest

from immich_pipeline.demo.library import MARKER, DemoSummary, make_demo_library
from immich_pipeline_tests.demo.measured import Measured, measure


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "library"


@pytest.fixture(scope="session")
def progress_said() -> list[int]:
    """The numbers that the generation of the demo library reported."""
    return []


@pytest.fixture(scope="session")
def demo(demo_folder: Path, progress_said: list[int]) -> DemoSummary:
    """The demo library as it is by default, generated once, where an earlier attempt was interrupted."""
    demo_folder.mkdir()
    (demo_folder / MARKER).write_text('{"complete": false}')
    return make_demo_library(demo_folder, progress=progress_said.append)


@pytest.fixture(scope="session")
def measured(demo_folder: Path, demo: DemoSummary) -> Measured:
    assert demo.made
    return measure(demo_folder)
