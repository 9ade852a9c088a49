"""A house of any version, and cycles in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from immich_pipeline.sharing.model import Job
from immich_pipeline_tests.sharing.full_library import FullLibrary, fill
from immich_pipeline_tests.sharing.house import House


@pytest.fixture
def make_house(make_immich_database: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str], House]]:
    """`make_house(version) -> House`: an own database and media folder, with alice, bob and carol in it."""
    made: list[House] = []

    def make(version: str) -> House:
        media = tmp_path / f"media {len(made)}"
        media.mkdir()
        made.append(House(make_immich_database(version), version, media))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(request: pytest.FixtureRequest, make_house: Callable[[str], House]) -> House:
    """Of 3.1.0; of every version where a test is parametrised: `@EVERY_VERSION`."""
    return make_house(getattr(request, "param", "3.1.0"))


@pytest.fixture
def full(house: House) -> FullLibrary:
    """The house's library with every kind of row."""
    return fill(house)


@pytest.fixture
def job(house: House) -> Job:
    """Alice's external library in bob's."""
    return house.job()
