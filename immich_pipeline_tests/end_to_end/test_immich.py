"""The program over an Immich server, as a user sets it up: a configuration file, keys in files, two commands."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from immich_pipeline_tests.end_to_end.program import nothing_runs, run
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World
from immich_pipeline_tests.photos import scene

pytestmark = [pytest.mark.end_to_end, pytest.mark.unmeasured]


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def test_doctor_then_a_pass_then_nothing_to_do(tmp_path: Path, immich_server: Callable[[World], StubServer]) -> None:
    world = World(version="2.7.5")
    alice = world.add_user("alice")
    for number in range(6):
        picture = scene(number // 2, (320 - number % 2 * 80, 240 - number % 2 * 60))
        name = f"/data/library/alice/2024/Zoë {number}.jpg"
        world.add_asset(alice, name, content=jpeg(picture), preview=jpeg(picture))
    server = immich_server(world)
    key = tmp_path / "alice.key"
    key.write_text(world.key_of(alice).secret + "\n")
    (tmp_path / "immich-pipeline.yaml").write_text(
        f"immich:\n  url: {server.url}/api\n  users:\n    - api_key_file: {key}\n"
    )
    home = tmp_path / "home"
    visit = run(home, "doctor")
    assert visit.returncode == 0, visit.stdout + visit.stderr
    assert "Immich 2.7.5" in visit.stdout
    first = run(home, "run", "--once", "--summary", str(tmp_path / "summary.json"))
    assert first.returncode == 0, first.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["files"], summary["hashed"], summary["duplicate_groups"]) == (6, 6, {"reencoded": 3})
    again = run(home, "run", "--once")
    assert "nothing to do: 0 files hashed, 0 rows changed" in again.stdout
    assert nothing_runs(home)
    world.keys.clear()
    refused = run(home, "run", "--once")
    assert refused.returncode == 2
    assert "the API key is not accepted" in refused.stderr
    for told in (visit, first, again, refused):
        assert key.read_text().strip() not in told.stdout + told.stderr
