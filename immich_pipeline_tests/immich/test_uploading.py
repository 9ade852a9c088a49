"""Files that are brought to the server, in every dialect."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient, Present, Upload
from immich_pipeline.immich.errors import ApiError, ImmichError, ReadOnlyServer, Unreachable
from immich_pipeline_tests.immich.clients import named, user
from immich_pipeline_tests.immich.scripted import DROP, Reply, scripted
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World

TAKEN = datetime(2020, 2, 3, 4, 5, 6, 7000, tzinfo=UTC)
KNOWN = Reply(200, b'{"major": 3, "minor": 1, "patch": 0}')
MADE = Reply(201, b'{"id": "99999999-9999-4999-8999-999999999999", "status": "created"}')


def file_of(
    folder: Path, content: bytes = b"\r\n--x\r\n\x00\xff picture\r\n", name: str = "Zoë's 写真.jpg", **more: object
) -> Upload:
    path = folder / "backup"
    path.write_bytes(content)
    return Upload(path, name, hashlib.sha1(content, usedforsecurity=False).digest(), TAKEN, TAKEN, **more)  # type: ignore[arg-type]


def test_a_file_arrives_as_it_is(alice: ImmichClient, world: World, tmp_path: Path) -> None:
    upload = file_of(tmp_path, favourite=True, visibility="archive")
    told = alice.upload(upload)
    asset = world.assets[told.id]
    assert told.status == "created"
    assert (asset.content, asset.checksum) == (upload.path.read_bytes(), upload.sha1)
    assert (asset.original_name, asset.is_favorite, asset.visibility) == (upload.name, True, "archive")
    assert (asset.file_created_at, asset.file_modified_at) == (TAKEN, TAKEN)
    assert alice.asset(told.id)["checksum"]


def test_the_same_bytes_are_not_kept_twice(alice: ImmichClient, world: World, tmp_path: Path) -> None:
    upload = file_of(tmp_path)
    first = alice.upload(upload)
    assert alice.upload(upload) == first.model_copy(update={"status": "duplicate"})
    world.trash(world.assets[first.id])
    assert alice.upload(upload).status == "duplicate"
    assert alice.present([upload.sha1, b"x" * 20]) == {upload.sha1: Present(first.id, trashed=True)}
    world.empty_trash()
    assert alice.present([upload.sha1]) == {}
    assert alice.upload(upload).status == "created"


def test_a_wrong_checksum_does_not_hide_a_duplicate(alice: ImmichClient, tmp_path: Path) -> None:
    upload = file_of(tmp_path)
    first = alice.upload(upload)
    wrong = Upload(upload.path, upload.name, b"y" * 20, TAKEN, TAKEN)
    assert alice.upload(wrong) == first.model_copy(update={"status": "duplicate"})


def test_a_live_photo_and_a_sidecar(alice: ImmichClient, world: World, tmp_path: Path) -> None:
    video = alice.upload(file_of(tmp_path, b"video", "live.mov", visibility="hidden"))
    sidecar = tmp_path / "s.xmp"
    sidecar.write_bytes(b"<x/>")
    still = alice.upload(file_of(tmp_path, b"still", "live.heic", live_video_id=video.id, sidecar=sidecar))
    assert world.assets[still.id].live_video_id == video.id
    assert world.assets[video.id].type == "VIDEO"


def test_what_the_server_does_not_take(alice: ImmichClient, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="Unsupported file type"):
        alice.upload(file_of(tmp_path, name="notes.txt"))
    with pytest.raises(ApiError, match="must be a video"):
        alice.upload(file_of(tmp_path, live_video_id=alice.upload(file_of(tmp_path, b"a", "a.jpg")).id))


def test_a_lost_connection_makes_no_second_asset(
    alice: ImmichClient, server: StubServer, world: World, tmp_path: Path
) -> None:
    server.fail_next("POST /api/assets", "cut")
    told = alice.upload(file_of(tmp_path))
    assert told.status == "duplicate"
    assert sum(asset.checksum == world.assets[told.id].checksum for asset in world.assets.values()) == 1


def test_bytes_that_are_a_file_of_a_library_do_not_count(alice: ImmichClient, world: World) -> None:
    content = b"content of a file"
    world.add_asset(
        user(world, "alice"), "/external/alice/x.jpg", content=content, library=next(iter(world.libraries.values()))
    )
    assert alice.present([hashlib.sha1(content, usedforsecurity=False).digest()]) == {}
    assert alice.present([]) == {}


def test_many_are_asked_for_in_portions(alice: ImmichClient, server: StubServer, world: World) -> None:
    sums = [number.to_bytes(20, "big") for number in range(1500)] + [named(world, "edited.jpg").checksum]
    assert set(alice.present(sums)) == {sums[-1]}
    assert sum(path.endswith("bulk-upload-check") for _, path, _ in server.requests) == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    upload = file_of(tmp_path)
    upload.path.unlink()
    with (
        scripted(KNOWN) as other,
        ImmichClient(other.url, SecretStr("key"), sleep=lambda _: None) as client,
        pytest.raises(ImmichError, match=r"backup cannot be read \(No such file"),
    ):
        client.upload(upload)
    assert other.calls == ["GET /api/server/version"]


def test_the_whole_form_is_sent_again(tmp_path: Path) -> None:
    upload = file_of(tmp_path, b"0123456789" * 50_000)
    with (
        scripted(KNOWN, DROP, Reply(503), MADE) as other,
        ImmichClient(other.url, SecretStr("key"), sleep=lambda _: None) as client,
    ):
        assert client.upload(upload).status == "created"
    assert [upload.path.read_bytes() in body for body in other.bodies[1:]] == [True, True, True]
    headers = other.seen[-1][2]
    assert headers["x-immich-checksum"] == upload.sha1.hex()
    assert int(headers["Content-Length"]) == len(other.bodies[-1])


def test_a_redirect_takes_the_form_along(tmp_path: Path) -> None:
    upload = file_of(tmp_path)
    with (
        scripted(KNOWN, Reply(307, headers={"location": "/api/assets"}), MADE) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
    ):
        assert client.upload(upload).status == "created"
    assert upload.path.read_bytes() in other.bodies[-1]


def test_a_server_that_is_only_read_gets_nothing(tmp_path: Path) -> None:
    newer = Reply(200, b'{"patch": 0, "major": 9, "minor": 0}')
    with (
        scripted(newer) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(ReadOnlyServer),
    ):
        client.upload(file_of(tmp_path))


def test_an_answer_of_another_shape(tmp_path: Path) -> None:
    with (
        scripted(KNOWN, Reply(201, b'{"id": "x", "status": "created"}')) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(ApiError, match="POST /assets is not what its API promises"),
    ):
        client.upload(file_of(tmp_path))


def test_nobody_answers(tmp_path: Path) -> None:
    with (
        scripted(KNOWN, DROP) as other,
        ImmichClient(other.url, SecretStr("key"), retries=1, sleep=lambda _: None) as client,
        pytest.raises(Unreachable),
    ):
        client.upload(file_of(tmp_path))
