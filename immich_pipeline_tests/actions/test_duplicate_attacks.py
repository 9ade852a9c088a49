"""What could take a photo, or anything known of one, away for good: each of these was thought of by somebody who wanted it to happen."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.backup_source import Mounted
from immich_pipeline.actions.duplicate_actions import set_action
from immich_pipeline.actions.kept_files import prove_kept
from immich_pipeline.actions.model import Action
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import Located
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.policies import DuplicateSettings, ProtectSettings
from immich_pipeline.sources.immich.details import refresh_details
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.store.database import Database
from immich_pipeline.store.folder_files import maybe_on_a_server
from immich_pipeline.store.library import activate_sources, write_assets
from immich_pipeline_tests.actions.duplicate_world import DuplicateWorld, Group, Pipeline
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset
from immich_pipeline_tests.store.rows import SOURCE, asset_id, assets
from immich_pipeline_tests.thorough import THOROUGH


@pytest.fixture
def made() -> DuplicateWorld:
    return DuplicateWorld("3.2.2", 0)


@pytest.fixture
def pipeline(made: DuplicateWorld, database: Database, home: Path) -> Iterator[Pipeline]:
    with StubServer(made.world) as stub:
        yield Pipeline(made, stub, database, home)


def placed(made: DuplicateWorld, files: list[Asset]) -> None:
    for file in files:
        made._place(file, (47.1, 11.3))


def in_trash(made: DuplicateWorld, group: Group) -> set[str]:
    return {
        file.id
        for file in group.files
        if file.id not in made.world.assets or made.world.assets[file.id].deleted_at is not None
    }


def applied(pipeline: Pipeline) -> str:
    outcome = pipeline.apply(pipeline.plans[-1].plan_id)
    return next(name for name in ("done", "skipped", "failed", "already", "held", "status") if getattr(outcome, name))


# ------------------------------------------------------------------------------------------------------- the kept file itself


def test_nothing_is_given_up_for_a_kept_file_that_the_server_has_lost(made: DuplicateWorld, pipeline: Pipeline) -> None:
    """Its previews are still there, and look the same."""
    group = made.twins()
    pipeline.look()
    keeper = made.world.assets[pipeline.plan().actions[0].payload["keeper"]]
    keeper.content = None
    assert applied(pipeline) == "failed"
    assert in_trash(made, group) == set()


def test_nothing_is_given_up_for_a_kept_file_of_a_library_that_holds_something_else_by_now(
    made: DuplicateWorld, pipeline: Pipeline
) -> None:
    """The server has not looked at the file since: it knows the checksum of its path alone."""
    group = made._external(7, made.alice, made.allowed, "exact")
    made.groups.append(group)
    pipeline.duplicates = pipeline.duplicates.model_copy(update={"prefer_library": "external"})
    pipeline.look()
    (action,) = pipeline.plan().actions
    inside = group.files[1]
    assert action.payload["keeper"] == inside.id
    inside.content = b"x" * len(inside.content or b"")
    assert applied(pipeline) == "failed"
    assert in_trash(made, group) == set()


# ----------------------------------------------------------------------------------------- what was read later than was decided


def moved_far(made: DuplicateWorld, asset: Asset) -> None:
    assert asset.exif is not None
    asset.exif.latitude, asset.exif.longitude = -30.0, 20.0
    made.world.touch(asset)


def dated_elsewhere(made: DuplicateWorld, asset: Asset) -> None:
    made._date(asset, asset.file_created_at + timedelta(days=400), "UTC+3")
    made.world.touch(asset)


def edited(made: DuplicateWorld, asset: Asset) -> None:
    asset.is_edited = True
    made.world.touch(asset)


def kept_by_a_tag(made: DuplicateWorld, asset: Asset) -> None:
    made.world.add_tag(made.alice, "keep", [asset])
    made.world.touch(asset)


@pytest.mark.parametrize("change", [moved_far, dated_elsewhere, edited, kept_by_a_tag])
def test_what_changed_after_the_snapshot_and_before_the_details_is_not_lost(
    made: DuplicateWorld, pipeline: Pipeline, change: Callable[[DuplicateWorld, Asset], None]
) -> None:
    group = made.twins()
    placed(made, group.files)
    pipeline.look()
    assert len(pipeline.plan().actions) == 1
    change(made, group.files[1])
    refresh_details(pipeline.database, pipeline.settings, [file.id for file in group.files], max_age=timedelta(0))
    planned = pipeline.plan()
    assert planned.actions == ()


def test_a_plan_can_be_made_when_the_kept_file_has_gone_since_it_was_decided(
    made: DuplicateWorld, pipeline: Pipeline
) -> None:
    group, other = made.twins(), made.twins()
    pipeline.look()
    made.world.trash(group.files[0])
    settings = pipeline.settings
    assert settings.immich is not None
    server = ImmichServer(settings.immich, FormatTable.load())
    take_server_snapshot(pipeline.database, server, full=True)
    (action,) = pipeline.plan().actions
    assert action.payload["keeper"] == other.files[0].id


# -------------------------------------------------------------------------------------------------------------- another policy


def test_a_plan_by_another_policy_is_not_applied(made: DuplicateWorld, pipeline: Pipeline) -> None:
    """Between plan and apply somebody protects what is to be given up, and nothing was decided anew."""
    group = made.twins()
    pipeline.look()
    pipeline.plan()
    pipeline.duplicates = pipeline.duplicates.model_copy(update={"protect": ProtectSettings(owners=("alice",))})
    assert applied(pipeline) == "skipped"
    assert in_trash(made, group) == set()


# --------------------------------------------------------------------------------------------------------------------- folders


def folder_row(name: str, role: str, beside: set[tuple[str, int]], **more: object) -> dict[str, object]:
    sidecars = [{"path": "YQ==", "size": size, "mtime_ns": 1} for _, size in beside] if role == "loser" else []
    return {
        "asset_id": name, "role": role, "obstacle": None, "becomes": "trash", "owner_id": None, "owner": "local", "set_id": "s",
        "class": "exact", "verdict": "certain", "keeper_id": "a", "decided_by": "bytes", "unit_id": name, "sha256": "00" * 32,
        "content": "00" * 32, "root": b"/photos", "real_path": name.encode(), "path": name, "size": 1, "mtime_ns": 1, "inode": 1,
        "visibility": "timeline", "sidecars": sidecars, "beside": beside, "policy_hash": policy_hash(DuplicateSettings()),
        "changed_since": False, "maybe_on_server": False,
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "lost", "verdict", "planned"),
    [
        (set(), {("xmp", 9)}, "certain", False),
        ({("xmp", 8)}, {("xmp", 9)}, "certain", False),
        ({("json", 9)}, {("xmp", 9)}, "certain", False),
        ({("xmp", 9)}, {("xmp", 9)}, "certain", True),
        ({("xmp", 9)}, set(), "certain", True),
        (set(), {("xmp", 9)}, "accepted", True),
    ],
)
def test_a_sidecar_that_the_kept_file_lacks_needs_a_person(
    kept: set[tuple[str, int]], lost: set[tuple[str, int]], verdict: str, planned: bool
) -> None:
    """A favourite, a rating, the development of a RAW file: nothing of a sidecar can be merged into another."""
    rows = folder_row("a", "keeper", kept, verdict=verdict), folder_row("b", "loser", lost, verdict=verdict)
    made = set_action(rows, DuplicateSettings())
    assert isinstance(made, Action) is planned, made


# ----------------------------------------------------------------------------------------------------- one file under two names


class Mounts:
    """Stands for the `BackupStore`: where files are mounted."""

    def __init__(self, places: dict[str, Path]) -> None:
        self.places = places

    def mounted(self, asset_id: str) -> Mounted | None:
        place = self.places.get(asset_id)
        return None if place is None else Mounted(Located(os.fsencode(place.parent), os.fsencode(place.name)), ())


def two_of_libraries(content: bytes) -> tuple[Action, dict[str, Any]]:
    payload = {"keeper": "a", "kept": [], "losers": ["b"]}
    contents = {"a": hashlib.sha256(content).hexdigest()}
    states = {name: {"library": "scans", "size": 5, "file_modified": "2020"} for name in "ab"}
    return Action("resolve", "alice", ("a", "b"), payload, {"states": {}, "contents": contents}, ""), {"assets": states}


@pytest.mark.parametrize("how", ["a link to the folder", "a hard link", "not mounted"])
def test_a_file_that_two_libraries_show_is_not_given_up(tmp_path: Path, how: str) -> None:
    """Emptying the trash deletes the file, by whichever of its names."""
    place = tmp_path / "scans"
    place.mkdir()
    (place / "a.jpg").write_bytes(b"photo")
    (tmp_path / "linked").symlink_to(place)
    os.link(place / "a.jpg", place / "b.jpg")
    other = {"a link to the folder": tmp_path / "linked/a.jpg", "a hard link": place / "b.jpg"}.get(how)
    mounts = Mounts({"a": place / "a.jpg"} | ({"b": other} if other else {}))
    action, state = two_of_libraries(b"photo")
    with pytest.raises(UserError, match="under two names"):
        prove_kept(action, state, cast(BackupStore, mounts), lambda _: lambda: nullcontext(iter([b"photo"])))


def test_two_files_of_libraries_are_two(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(b"photo")
    action, state = two_of_libraries(b"photo")
    mounts = cast(BackupStore, Mounts({name: tmp_path / f"{name}.jpg" for name in "ab"}))
    prove_kept(action, state, mounts, lambda _: lambda: nullcontext(iter([b""])))
    (tmp_path / "a.jpg").write_bytes(b"other")
    with pytest.raises(UserError, match="something else"):
        prove_kept(action, state, mounts, lambda _: lambda: nullcontext(iter([b"other"])))


# ------------------------------------------------------------------------------------------------------------------------ undo


def test_an_undo_takes_nothing_from_a_copy_that_a_person_uploaded_again(
    made: DuplicateWorld, pipeline: Pipeline
) -> None:
    group = made.twins()
    loser = group.files[1]
    made.world.add_tag(made.alice, "old", [loser])
    pipeline.look()
    plan = pipeline.plan()
    assert applied(pipeline) == "done"
    made.world.empty_trash()
    again = made.world.add_asset(
        made.alice, "/data/library/Alice/again.jpg", content=loser.content, checksum=loser.checksum
    )
    album = made.world.add_album(made.alice, "made since", [again])
    made.world.add_tag(made.alice, "new", [again])
    pipeline.undo(plan.plan_id)
    assert again.id in album.asset_ids
    assert {tag.value for tag in made.world.tags.values() if again.id in tag.asset_ids} == {"new", "old"}


CHAINS = [(backwards, emptied) for emptied in ((), (0,), (0, 1), (1,)) for backwards in (True, False)]


# usually each way to empty the trash once, and each order of undoing twice
@pytest.mark.parametrize(("backwards", "emptied"), CHAINS if THOROUGH else CHAINS[::4] + CHAINS[3::4])
def test_a_chain_of_decisions_never_leaves_a_content_without_a_copy(
    made: DuplicateWorld, pipeline: Pipeline, emptied: tuple[int, ...], backwards: bool
) -> None:
    """A is kept over B; then a better one comes, and A goes; then both are undone, in either order, the trash emptied in between."""
    group = made.twins()
    contents = {file.id: file.content for file in group.files}
    pipeline.look()
    pipeline.plan()
    assert applied(pipeline) == "done"
    if 0 in emptied:
        made.world.empty_trash()
    best, like = made._file(made.alice, "/data/library/Alice/best.jpg", made._shot(group.number)), group.files[0]
    known, looks = made.measured[best.id], made.measured[like.id]
    known.phash, known.phash256 = looks.phash, looks.phash256
    best.width, best.height = known.width, known.height = looks.width * 2, looks.height * 2
    made._by_camera(best, (looks.exif.make, looks.exif.model, looks.exif.lens_model))
    made.same += [(best.id, file.id, "reencoded") for file in group.files]
    pipeline.look()
    pipeline.plan()
    assert pipeline.plans[1].actions[0].payload["keeper"] == best.id
    assert applied(pipeline) == "done"
    if 1 in emptied:
        made.world.empty_trash()

    def somewhere(content: bytes | None) -> bool:
        alive = any(one.content == content and one.deleted_at is None for one in made.world.assets.values())
        return alive or any(copy.read_bytes() == content for copy in pipeline.backups().values())

    assert all(map(somewhere, contents.values()))
    for plan in reversed(pipeline.plans) if backwards else pipeline.plans:
        pipeline.undo(plan.plan_id)
        assert all(map(somewhere, contents.values()))
    alive = {one.content for one in made.world.assets.values() if one.deleted_at is None}
    assert {*contents.values(), best.content} <= alive


def test_a_file_that_a_server_may_show_stays_where_it_is() -> None:
    rows = folder_row("a", "keeper", set()), folder_row("b", "loser", set(), maybe_on_server=True)
    assert "immich.paths" in str(set_action(rows, DuplicateSettings()))


def test_a_folder_that_a_server_looks_into_by_a_path_that_is_not_told(made: DuplicateWorld, pipeline: Pipeline) -> None:
    """The folder of photos is an import path of the server's, which `immich.paths` does not say."""
    seen = made._external(7, made.alice, made.allowed, "exact").files[1]
    pipeline.look()
    below = seen.original_path.removeprefix("/external/").encode()
    content = seen.content or b""
    settings = pipeline.settings
    assert settings.immich is not None
    server = ImmichServer(settings.immich, FormatTable.load())
    activate_sources(pipeline.database, [server.row, SOURCE])
    with pipeline.database.frames() as frames:
        rows = assets(os.fsdecode(below), "scans/other.jpg").with_columns(size=pl.lit(len(content), pl.Int64))
        write_assets(frames, rows, [])
        assert maybe_on_a_server(frames, rows["asset_id"].to_list()) == {asset_id(os.fsdecode(below))}
