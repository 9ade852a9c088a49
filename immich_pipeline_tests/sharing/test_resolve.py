"""Names of the settings against a real database: what is found, and everything that is refused, with what to do about it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from immich_pipeline.share_settings import ShareJob
from immich_pipeline.sharing.model import Job, Scope
from immich_pipeline.sharing.resolve import Known, ShareRefused, overlaps, resolve_jobs
from immich_pipeline.sharing.session import Connection, open_session
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET, UPLOADS, House
from immich_pipeline_tests.sharing.versions import EVERY_VERSION


@pytest.fixture
def connection(house: House) -> Iterator[Connection]:
    with open_session(SecretStr(house.url)) as connection:
        yield connection


def wanted(**changes: Any) -> ShareJob:
    usual: dict[str, Any] = {
        "name": "a-to-b",
        "source_user": "alice@example.org",
        "target_user": "Bob",
        "target_library": "from Alice",
        "source_prefix": EXTERNAL,
        "target_prefix": TARGET,
    }
    return ShareJob(**(usual | changes))


def resolved(connection: Connection, *jobs: ShareJob) -> list[Job]:
    return resolve_jobs(Known.read(connection, "/data"), jobs)


def problems(connection: Connection, *jobs: ShareJob) -> tuple[str, ...]:
    with pytest.raises(ShareRefused) as raised:
        resolved(connection, *jobs)
    assert str(raised.value) == "; ".join(raised.value.problems)
    return raised.value.problems


@EVERY_VERSION
def test_names_become_ids(house: House, connection: Connection) -> None:
    trips = house.add_tag(house.alice, "Trips/France")
    house.add_tag(house.bob, "Trips/France")
    best, theirs = house.add_album(house.alice, "Best"), house.add_album(house.bob, "From Alice")
    house.add_album(house.carol, "Best")
    ben, other_ben = house.add_person("Ben"), house.add_person("Ben")
    house.add_person("Ben", owner=house.bob)
    share = {
        "paths": [f"{EXTERNAL}/a"],
        "albums": ["Best"],
        "tags": ["Trips/France"],
        "people": ["Ben"],
        "favourites": True,
    }
    one, by_id = resolved(
        connection,
        wanted(share=share, album="From Alice", names="mirror", follow_edits=False),
        wanted(
            name="by-id", source_user=house.alice.upper(), target_user=house.bob, target_library=house.target_library, album=theirs,
            share={"albums": [best], "tags": [trips], "people": [ben]}, source_prefix=UPLOADS, target_prefix="/external/bob/uploads",
        ),
    )  # fmt: skip
    assert (one.source_owner, one.target_owner, one.target_library) == (house.alice, house.bob, house.target_library)
    assert one.album == by_id.album == theirs
    people = tuple(sorted([ben, other_ben]))
    assert one.scope == Scope((f"{EXTERNAL}/a",), (best,), (trips,), people, favourites=True)
    assert by_id.scope == Scope(albums=(best,), tags=(trips,), people=(ben,))
    assert (one.policy.names, one.policy.follow) == ("mirror", False)


@EVERY_VERSION
def test_b02_everything_that_does_not_fit_is_refused_at_once_with_a_hint(house: House, connection: Connection) -> None:
    house.update("user", {"id": house.carol}, deletedAt="2024-01-01")
    gone = house.add_album(house.bob, "Gone")
    house.update("album", {"id": gone}, deletedAt="2024-01-01")
    house.add_album(house.alice, "Hers")
    found = problems(
        connection,
        wanted(name="j1", source_user="nobody@example.org", target_user="carol@example.org"),
        wanted(name="j2", source_user="Alice", target_user="ALICE@example.org"),
        wanted(name="j3", target_library="NAS", album="Hers"),
        wanted(name="j4", target_library="Nothing", album="Gone", source_prefix="/external/dora", target_prefix="/x/a"),
        wanted(name="j5", album="Nowhere", target_prefix="/external/bobby"),
        wanted(name="j6", share={"albums": ["x"], "tags": ["y"], "people": ["z"]}),
        wanted(name="j7", source_prefix="/data/upload/of-nobody"),
    )
    for expected in (
        "job 'j1': source_user: Immich has no user 'nobody@example.org': write an e-mail address, a name or an id; there are: alice@",
        "job 'j1': target_user: the user 'carol@example.org' was deleted in Immich: restore the user there, or take the job out",
        "job 'j2': source_user and target_user are both alice@example.org",
        "job 'j3': target_library: 'NAS' is another user's: it must belong to bob@example.org",
        "job 'j3': album: 'Hers' is another user's",
        "job 'j4': target_library: bob@example.org has no library 'Nothing': make one with 'immich-pipeline share setup'",
        "job 'j4': album: 'Gone' was deleted",
        "job 'j4': source_prefix: /external/dora is not in a folder of alice@example.org's: their import paths and upload folders are "
        f"{EXTERNAL}, {UPLOADS}, /data/upload/{house.alice}",
        "job 'j5': album: bob@example.org has no album 'Nowhere'",
        "job 'j5': target_prefix: /external/bobby is not below an import path of the library 'from Alice' (/external/bob)",
        "job 'j6': share.albums: alice@example.org has no album 'x'",
        "job 'j6': share.tags: alice@example.org has no tag 'y'",
        "job 'j6': share.people: alice@example.org has no person 'z'",
        "job 'j7': source_prefix: /data/upload/of-nobody is not in",
    ):
        assert any(problem.startswith(expected) for problem in found), (expected, found)
    # of two names nothing more can be said, of the library that is missing its import paths are not missed as well
    assert len(found) == 15, found


def test_words_that_mean_several_are_refused(house: House, connection: Connection) -> None:
    house.add_user("alice2", deletedAt=None)
    house.update("user", {"email": "alice2@example.org"}, name="Alice")
    for name in ("twice", "Twice", "doubled"):
        house.add_library(house.bob, "twice" if name != "doubled" else "from bob", "/external/bob", exclusion="**/*")
    house.add_album(house.bob, "Doubled")
    house.add_album(house.bob, "Doubled")
    found = problems(
        connection, wanted(name="j1", source_user="Alice"), wanted(name="j2", target_library="twice", album="Doubled")
    )
    assert [problem.partition(": ")[2].partition(":")[0] for problem in found] == [
        "source_user",
        "target_library",
        "album",
    ]
    assert all("several" in problem for problem in found)


def test_a_library_that_a_scan_would_fill_is_refused(house: House, connection: Connection) -> None:
    house.add_library(house.bob, "open", "/external/bob", exclusion="**/.*")
    removed = house.add_library(house.bob, "removed", "/external/bob", exclusion="**/*")
    house.update("library", {"id": removed}, deletedAt="2024-01-01")
    found = problems(connection, wanted(target_library="open"), wanted(name="b", target_library="removed"))
    assert "a scan would import everything in the folder" in found[0]
    assert "was deleted" in found[1]


def test_one_link_cannot_lead_to_two_folders_and_overlaps_are_told(house: House, connection: Connection) -> None:
    house.add_library(house.alice, "more", "/more")
    assert "the same target_prefix for two folders" in problems(
        connection, wanted(), wanted(name="b", source_prefix="/more")
    )[0]  # fmt: skip
    jobs = resolved(
        connection,
        wanted(),
        wanted(name="part", source_prefix=f"{EXTERNAL}/2024", target_prefix=f"{TARGET}2"),
        wanted(name="uploads", source_prefix=UPLOADS, target_prefix="/external/bob/u"),
    )
    told = overlaps(jobs)
    assert len(told) == 1
    assert "'a-to-b' and 'part'" in told[0]


def test_a_folder_is_told_from_one_that_only_begins_alike(house: House, connection: Connection) -> None:
    assert "is not in a folder" in problems(connection, wanted(source_prefix=f"{EXTERNAL}2"))[0]
