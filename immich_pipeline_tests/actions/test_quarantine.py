"""Losers go to the quarantine and come back; nothing is lost, whatever happens meanwhile."""

import base64
import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immich_pipeline.actions import quarantine, safe_folders
from immich_pipeline.actions.model import Action, State, plain
from immich_pipeline.actions.quarantine_manifest import Manifest, open_manifest
from immich_pipeline.actions.quarantine_pieces import Piece, Pieces
from immich_pipeline.errors import UserError
from immich_pipeline.sources.ignore import IgnoreTable
from immich_pipeline.sources.walk import walk
from immich_pipeline_tests.actions.quarantine_ground import (
    QUARANTINE,
    Agreeing,
    at,
    attempt,
    back,
    ending_at,
    executor,
    photos,
    put,
    quarantining,
    stowed,
    tree,
)
from immich_pipeline_tests.actions.shelf import Crash

ODD = b"b/\xff\xfe odd.jpg"
STEP = 17  # lines; every line in turn would take long and hit the same steps
VIDEO = b"a/two.mov"


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    """Photos of which three are the same, one under a name that is no UTF-8."""
    root = os.fsencode(tmp_path / "photos")
    for number, path in enumerate((b"one.jpg", b"a/two.jpg", ODD)):
        put(root, path, b"picture", 1_500_000_000_000_000_001 + number)
    put(root, VIDEO, b"film")
    put(root, b"a/two.jpg.xmp", b"words")
    put(root, b"other.jpg", b"another")
    return root


@pytest.fixture
def action(root: bytes) -> Action:
    return quarantining(
        root,
        b"one.jpg",
        [b"a/two.jpg", ODD],
        kept=[b"other.jpg"],
        sidecars={b"a/two.jpg": [b"a/two.jpg.xmp"]},
        follows={b"a/two.jpg": VIDEO},
    )


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here need outlive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def manifest(root: bytes) -> list[dict[str, Any]]:
    with at(root, QUARANTINE.encode() + b"/" + b"manifest.jsonl").open("rb") as file:
        return [json.loads(line) for line in file]


def test_losers_and_what_is_theirs_go_and_come_back_exactly(root: bytes, action: Action) -> None:
    by, at_first = executor(), tree(root)
    before = plain(by.read(action))
    assert by.check(action, before) is None
    assert by.execute(action, before) == {"moved": 4}
    moved = {b"a/two.jpg", b"a/two.jpg.xmp", VIDEO, ODD}
    assert stowed(root, action) == {path: at_first[path] for path in moved}
    assert photos(root) == {path: facts for path, facts in at_first.items() if path not in moved}
    after = plain(by.read(action))
    assert by.is_done(action, after)
    made = by.made(action, before, after)
    assert len(made["moved"]) == 4
    assert by.undo(action, before, made, after) is None
    now = plain(by.read(action))
    assert by.is_undone(action, before, now)
    assert by.undo(action, before, made, now) is None
    assert photos(root) == at_first
    assert stowed(root, action) == {}
    assert by.made(action, before, now) == {}
    assert attempt(action, by) is None, "again, after it was undone"


def test_the_manifest_says_what_was_moved_and_the_readme_how_it_goes_back(root: bytes, action: Action) -> None:
    at_first = tree(root)
    attempt(action, executor())
    lines = manifest(root)
    assert [line["do"] for line in lines] == ["move"] * 4
    assert {base64.b64decode(line["from"]) for line in lines} == {b"a/two.jpg", b"a/two.jpg.xmp", VIDEO, ODD}
    assert {(line["set"], line["action"]) for line in lines} == {("set-1", action.action_id("duplicates"))}
    assert all(len(line["sha256"]) == 64 and line["size"] and line["mtime_ns"] and line["at"] for line in lines)
    with at(root, QUARANTINE.encode() + b"/" + b"manifest.jsonl").open("ab") as file:
        file.write(b'{"do": "mo')
    place = at(root, QUARANTINE.encode())
    readme = (place / "README.txt").read_text(encoding="utf-8")
    script = "\n".join(line.removeprefix("    ") for line in readme.partition("    import base64")[2].splitlines())
    subprocess.run([sys.executable, "-c", "import base64" + script], cwd=place, check=True)
    assert photos(root) == at_first


def test_a_line_that_was_broken_off_does_not_swallow_the_next(root: bytes, action: Action) -> None:
    piece = Pieces.of(action, QUARANTINE).moved[0]
    with open_manifest(root, QUARANTINE) as opened:
        opened.note("move", piece, {}, {"set": "1"})
    with at(root, QUARANTINE.encode() + b"/" + b"manifest.jsonl").open("ab") as file:
        file.write(b'{"do": "mo')
    with open_manifest(root, QUARANTINE) as opened:
        opened.note("back", piece, {}, {"set": "2"})
    with at(root, QUARANTINE.encode() + b"/" + b"manifest.jsonl").open("rb") as file:
        lines = file.read().split(b"\n")
    assert [json.loads(line)["set"] for line in (lines[0], lines[2])] == ["1", "2"]


def test_the_scanner_does_not_see_the_quarantine(root: bytes, action: Action) -> None:
    attempt(action, executor())
    found = walk(root, IgnoreTable.load())
    assert sorted(found.files.real_path) == [b"one.jpg", b"other.jpg"]
    assert (QUARANTINE.encode(), "system folder: hidden") in found.skipped


def test_nobody_else_may_look_into_the_quarantine(root: bytes, action: Action) -> None:
    attempt(action, executor())
    place = at(root, QUARANTINE.encode())
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "manifest.jsonl").stat().st_mode & 0o777 == 0o600


def replace_by_link(root: bytes, path: bytes) -> None:
    whole = at(root, path)
    elsewhere = whole.rename(str(whole) + ".elsewhere")
    whole.symlink_to(elsewhere)


CHANGES = {
    "a loser is gone": (lambda root: at(root, ODD).unlink(), "is not there any more"),
    "a loser is longer": (lambda root: put(root, ODD, b"longer picture"), "was changed since"),
    "a loser has another time": (lambda root: put(root, ODD, b"picture", 5), "was changed since"),
    "a sidecar was changed": (lambda root: put(root, b"a/two.jpg.xmp", b"wordy"), None),
    "a sidecar has grown": (lambda root: put(root, b"a/two.jpg.xmp", b"more words"), "was changed since"),
    "the kept one is gone": (lambda root: at(root, b"one.jpg").unlink(), "which is kept, is not there"),
    "the kept one is a link": (lambda root: replace_by_link(root, b"one.jpg"), "it is a link or no file now"),
    "a loser is a link": (lambda root: replace_by_link(root, ODD), "it is a link or no file now"),
    "a folder is a link": (lambda root: replace_by_link(root, b"a"), "a folder on the way to it is a link"),
    "a folder is a file": (
        lambda root: (shutil.rmtree(at(root, b"a")), put(root, b"a", b"")),
        "a folder on the way to it is a link or a file",
    ),
    "a loser is a folder": (
        lambda root: (at(root, ODD).unlink(), at(root, ODD).mkdir()),
        "it is a link or no file now",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_as_planned_is_left_alone(root: bytes, action: Action, change: str) -> None:
    do, reason = CHANGES[change]
    do(root)
    before = sorted(tree(root))
    found = attempt(action, executor())
    if reason is None:
        assert found is None
        return
    assert found is not None
    assert reason in found
    assert sorted(tree(root)) == before
    assert "\udcff" not in found


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        (Agreeing(looked_after=False), "no folder of local"),
        (Agreeing(is_decided=False), "decided otherwise"),
        (Agreeing(known_roles={(ODD.hex(), "keeper")}), "is kept by another decision"),
        (Agreeing(known_roles={(ODD.hex(), "kept")}), "is kept by another decision"),
        (Agreeing(known_roles={(b"one.jpg".hex(), "loser")}), "given up by another decision"),
    ],
)
def test_what_is_decided_otherwise_by_now_is_left_alone(
    root: bytes, action: Action, memory: Agreeing, reason: str
) -> None:
    assert reason in str(attempt(action, executor(memory)))
    assert not at(root, QUARANTINE.encode()).exists()


def test_half_done_work_goes_on_although_the_decision_is_not_there_any_more(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(source: int, name: bytes, *target: Any) -> None:
        if name == ODD.rpartition(b"/")[2]:
            raise Crash
        safe_folders.move(source, name, *target)

    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "move", ending)
        with pytest.raises(Crash):
            attempt(action, executor())
    assert len(stowed(root, action)) == 2
    gone = Agreeing(is_decided=False)
    assert "kept by another" in str(attempt(action, executor(Agreeing(known_roles={(ODD.hex(), "keeper")}))))
    assert attempt(action, executor(gone)) is None
    assert len(stowed(root, action)) == 4


@pytest.mark.parametrize("path", [b"one.jpg", b"other.jpg", ODD])
def test_a_content_that_changed_under_the_same_size_and_time_is_not_touched(
    root: bytes, action: Action, path: bytes
) -> None:
    content, mtime_ns = tree(root)[path]
    put(root, path, content.upper(), mtime_ns)
    with pytest.raises(UserError, match="another content"):
        attempt(action, executor())
    assert path in photos(root)
    if path != ODD:
        assert stowed(root, action) == {}


def test_when_the_kept_one_goes_bad_meanwhile_everything_is_put_back(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_first, move = tree(root), quarantine.move

    def spoiling(*args: Any) -> None:
        move(*args)
        put(root, b"one.jpg", b"PICTURE", at_first[b"one.jpg"][1])

    monkeypatch.setattr(quarantine, "move", spoiling)
    with pytest.raises(UserError, match="which is kept, has another content"):
        attempt(action, executor())
    assert photos(root) == at_first | {b"one.jpg": (b"PICTURE", at_first[b"one.jpg"][1])}
    assert [line["do"] for line in manifest(root)] == ["move"] * 4 + ["back"] * 4


def test_a_file_that_is_swapped_while_it_is_moved_is_put_back(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = quarantine.move

    def swapping(source: int, name: bytes, target: int, new_name: bytes) -> None:
        if not done:
            done.append(name)
            put(root, b"fresh", b"precious")
            at(root, b"fresh").replace(at(root, b"a/" + name))
        move(source, name, target, new_name)

    done: list[bytes] = []
    monkeypatch.setattr(quarantine, "move", swapping)
    with pytest.raises(UserError, match="was changed just now"):
        attempt(action, executor())
    assert photos(root)[b"a/two.jpg"][0] == b"precious"
    assert stowed(root, action) == {}


def test_a_file_that_is_written_to_while_it_is_read_is_left(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writing(*args: Any) -> None:
        put(root, b"a/two.jpg", b"PICTURE", 7)

    monkeypatch.setattr(Manifest, "note", writing)
    with pytest.raises(UserError, match="was changed just now"):
        attempt(action, executor())
    assert photos(root)[b"a/two.jpg"] == (b"PICTURE", 7)


def test_nothing_in_the_quarantine_is_written_over(root: bytes, action: Action) -> None:
    place = b"/".join((QUARANTINE.encode(), action.action_id("duplicates").encode(), ODD))
    put(root, place, b"of somebody else")
    at_first = tree(root)
    assert "something else in its place" in str(attempt(action, executor()))
    assert tree(root) == at_first
    state = plain(executor().read(action))
    state["moved"][ODD.hex()]["there"] = None  # it comes between looking and moving
    with pytest.raises(UserError, match="nothing is written over"):
        executor().execute(action, state)
    assert tree(root)[place][0] == b"of somebody else"
    assert ODD in photos(root)


def test_nothing_is_written_over_where_the_system_cannot_promise_it(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_folders, "_libc", None)
    at_first = tree(root)
    by = executor()
    before = plain(by.read(action))
    assert attempt(action, by) is None
    assert back(action, before, by) is None
    assert photos(root) == at_first
    put(root, b"new.jpg", b"")
    with safe_folders.open_folder(root, ()) as folder, pytest.raises(FileExistsError):
        safe_folders.move(folder, b"new.jpg", folder, b"one.jpg")


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(root: bytes, action: Action, tmp_path: Path) -> None:
    state = plain(executor().read(action))
    outside = tmp_path / "outside"
    shutil.copytree(at(root, b"a"), outside)
    shutil.rmtree(at(root, b"a"))
    at(root, b"a").symlink_to(outside)
    with pytest.raises(UserError, match="could not be moved"):
        executor().execute(action, state)
    assert sorted(path.name for path in outside.iterdir()) == ["two.jpg", "two.jpg.xmp", "two.mov"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_quarantine_that_is_no_folder_is_refused(root: bytes, action: Action, tmp_path: Path, kind: str) -> None:
    place = at(root, QUARANTINE.encode())
    if kind == "link":
        place.symlink_to(tmp_path)
    else:
        place.touch()
    with pytest.raises(UserError, match="take it away"):
        attempt(action, executor())


@pytest.mark.parametrize(("number", "words"), [(errno.EROFS, "read-only file system"), (errno.EXDEV, "cross-device")])
def test_where_nothing_may_be_written_it_is_said_what_to_do(
    root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(quarantine, "move", refused)
    at_first = photos(root)
    with pytest.raises(UserError, match=words) as caught:
        attempt(action, executor())
    assert "may write to it" in str(caught.value)
    assert photos(root) == at_first
    assert stowed(root, action) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_left_as_it_is(root: bytes, action: Action) -> None:
    at(root, b"").chmod(0o500)
    try:
        with pytest.raises(UserError, match="permission denied"):
            attempt(action, executor())
    finally:
        at(root, b"").chmod(0o700)
    assert not at(root, QUARANTINE.encode()).exists()


def test_what_is_on_another_file_system_is_not_planned_to_move(root: bytes, action: Action) -> None:
    piece = Pieces.of(action, QUARANTINE).moved[0]
    facts = piece.here(device=-1)
    assert facts is not None
    assert "another file system" in facts["problem"]
    assert not piece.is_as_planned(facts)


def test_a_folder_of_photos_that_is_not_there_is_no_reason_to_give_up(root: bytes, action: Action) -> None:
    at(root, b"").rename(os.fsdecode(root) + " gone")
    with pytest.raises(UserError, match="is it mounted"):
        executor().read(action)


def test_errors_of_the_disk_are_no_absence(root: bytes, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Pieces.of(action, QUARANTINE).moved[0]

    def failing(*args: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("immich_pipeline.actions.quarantine_pieces.status_of", failing)
    with pytest.raises(UserError, match="input/output error"):
        piece.here()


def test_undo_leaves_alone_what_somebody_else_has_changed(root: bytes, action: Action) -> None:
    by = executor()
    before = plain(by.read(action))
    attempt(action, by)
    at_last = tree(root)
    place = b"/".join((QUARANTINE.encode(), action.action_id("duplicates").encode(), ODD))
    put(root, ODD, b"new")
    assert "is there again by now" in str(back(action, before, by))
    at(root, ODD).unlink()
    put(root, place, b"changed")
    assert "was changed in the quarantine" in str(back(action, before, by))
    at(root, place).unlink()
    assert not by.is_undone(action, before, plain(by.read(action)))
    gone: State = {"moved": {"x": {"here": None, "there": None}}}
    assert not by.is_undone(action, {"moved": {"x": before["moved"][ODD.hex()]}}, gone)
    assert "is not in the quarantine any more" in str(
        by.undo(action, before, {"moved": [ODD.hex()]}, plain(by.read(action)))
    )
    assert [path for path in at_last if path not in tree(root)] == [place]


def test_undo_makes_a_folder_anew_that_is_gone(root: bytes, action: Action) -> None:
    by, at_first = executor(), tree(root)
    before = plain(by.read(action))
    attempt(action, by)
    at(root, b"b").rmdir()
    assert back(action, before, by) is None
    assert photos(root) == at_first


def test_empty_folders_are_removed_although_the_lowest_is_gone_already(root: bytes) -> None:
    at(root, b"x/y").mkdir(parents=True)
    safe_folders.remove_empty(root, (b"x", b"y", b"z"), keep=1)
    assert [path.name for path in at(root, b"x").parent.iterdir() if path.name == "x"] == ["x"]
    assert list(at(root, b"x").iterdir()) == []


def test_what_came_to_an_old_place_since_is_none_of_ours(root: bytes, action: Action) -> None:
    by = executor()
    attempt(action, by)
    put(root, ODD, b"new")
    assert by.is_done(action, plain(by.read(action)))


BAD = {
    "a path that leads out": {"path": base64.b64encode(b"../x").decode()},
    "an absolute path": {"path": base64.b64encode(b"/etc/passwd").decode()},
    "an empty path": {"path": ""},
    "no base64": {"path": "?"},
    "a relative root": {"root": base64.b64encode(b"photos").decode()},
    "no hash": {"sha256": None},
    "the keeper's own path": {"path": base64.b64encode(b"one.jpg").decode()},
    "another file's id": {"asset_id": "x"},
}


@pytest.mark.parametrize("bad", BAD)
def test_a_plan_that_makes_no_sense_is_refused(action: Action, bad: str) -> None:
    payload = plain(action.payload)
    payload["files"][3] |= BAD[bad]
    wrong = Action("quarantine", "local", action.subjects, payload, {}, "")
    with pytest.raises(UserError):
        executor().read(wrong)


def test_a_plan_without_times_is_told_by_sizes(root: bytes, action: Action) -> None:
    payload = plain(action.payload)
    for file in payload["files"]:
        del file["mtime_ns"]
    assert attempt(Action("quarantine", "local", action.subjects, payload, {}, ""), executor()) is None


def test_a_folder_that_is_not_empty_stays_in_the_quarantine(root: bytes, action: Action) -> None:
    by = executor()
    before = plain(by.read(action))
    attempt(action, by)
    place = b"/".join((QUARANTINE.encode(), action.action_id("duplicates").encode(), b"a", b"mine"))
    put(root, place, b"mine")
    assert back(action, before, by) is None
    assert tree(root)[place][0] == b"mine"


def check_is_whole(root: bytes, action: Action, at_first: dict[bytes, tuple[bytes, int]]) -> None:
    """Each file is at exactly one of both places, with its bytes and its time."""
    here, there = photos(root), stowed(root, action)
    assert not set(here) & set(there)
    assert here | there == at_first


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that nobody closed
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("undoing", [False, True])
def test_a_crash_at_any_line_loses_nothing_and_is_repaired(root: bytes, action: Action, undoing: bool) -> None:
    by, at_first = executor(), tree(root)
    before = plain(by.read(action))
    line = crashes = 0
    while crashes == line // STEP:
        line += STEP
        if undoing:
            attempt(action, by)
        try:
            back(action, before, by, line) if undoing else attempt(action, by, line)
        except Crash:
            crashes += 1
        check_is_whole(root, action, at_first)
        if not undoing:
            assert attempt(action, by) is None
            assert set(stowed(root, action)) == {b"a/two.jpg", b"a/two.jpg.xmp", VIDEO, ODD}
        assert back(action, before, by) is None
        assert photos(root) == at_first
    assert crashes > 10


def killed(action: Action, before: Any, line: int, undoing: bool) -> None:
    by = executor()
    with ending_at(line, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        back(action, before, by) if undoing else attempt(action, by)


@pytest.mark.parametrize("undoing", [False, True])
def test_a_process_killed_at_any_moment_loses_nothing(root: bytes, action: Action, undoing: bool) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    by, at_first = executor(), tree(root)
    before = plain(by.read(action))
    for line in range(420, 900, 120):
        if undoing:
            attempt(action, by)
        child = context.Process(target=killed, args=(action, before, line, undoing))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        child.close()
        check_is_whole(root, action, at_first)
        assert attempt(action, by) is None or undoing
        assert back(action, before, by) is None
        assert photos(root) == at_first


NAMES = st.binary(min_size=1, max_size=6).filter(lambda name: name not in {b".", b".."} and not set(name) & set(b"/\0"))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that nobody closed
@pytest.mark.usefixtures("hasty")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_trees_plans_and_crashes_lose_nothing(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = os.fsencode(place)
        paths = []
        for number, path in enumerate(data.draw(st.lists(PATHS, min_size=2, max_size=6, unique=True))):
            try:
                put(root, path, b"%d" % data.draw(st.integers(0, 3)), 10**18 + number)
            except OSError:  # a name that is a file and a folder
                continue
            paths.append(path)
        if len(paths) < 2:
            return
        losers = data.draw(st.lists(st.sampled_from(paths[1:]), min_size=1, unique=True))
        action, by, at_first = quarantining(root, paths[0], losers), executor(), tree(root)
        before = plain(by.read(action))
        for line in data.draw(st.lists(st.integers(1, 400), max_size=4)):
            work = data.draw(st.sampled_from(["apply", "undo"]))
            with suppress(Crash):
                attempt(action, by, line) if work == "apply" else back(action, before, by, line)
            check_is_whole(root, action, at_first)
        assert attempt(action, by) is None
        assert set(stowed(root, action)) == set(losers)
        assert back(action, before, by) is None
        assert photos(root) == at_first


def test_a_piece_reads_well(root: bytes, action: Action) -> None:
    piece: Piece = next(piece for piece in Pieces.of(action, QUARANTINE).moved if piece.path == ODD)
    assert str(piece) == f"{os.fsdecode(root)}/b/\\xff\\xfe odd.jpg"
