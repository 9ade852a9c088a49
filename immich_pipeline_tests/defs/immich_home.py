"""A family's Immich server, and the pipeline that looks after it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from PIL import Image

from immich_pipeline.defs.library.automation import server_changed
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, User, World
from immich_pipeline_tests.photos import scene

if TYPE_CHECKING:
    from immich_pipeline_tests.defs.conftest import Pipeline


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@dataclass
class Home:
    """A family's server, and the pipeline that looks after it."""

    world: World
    stub: StubServer
    pipeline: "Pipeline"
    alice: User
    bob: User

    def photo(self, owner: User, path: str, seed: int, *, quality: int = 90, **values: Any) -> Asset:
        picture = scene(seed)
        content = jpeg(picture, quality)
        return self.world.add_asset(owner, path, content=content, preview=jpeg(picture, 80), **values)

    def tick(self) -> list[Any]:
        context = dg.build_sensor_context(instance=self.pipeline.instance, resources={"pipeline": PipelineResource()})
        return list(server_changed(context))

    def batches(self) -> dict[str, list[str]]:
        """The names of the assets in each batch, oldest batch first."""
        rows = self.pipeline.query(
            "SELECT batch_key, array_agg(name ORDER BY name) "
            "FROM content.file_work JOIN library.asset USING (asset_id) GROUP BY 1 ORDER BY 1"
        )
        return dict(rows)

    def groups(self) -> set[tuple[str, frozenset[str]]]:
        rows = self.pipeline.query(
            "SELECT g.class, array_agg(a.name) "
            "FROM duplicates.duplicate_group g JOIN duplicates.duplicate_member m USING (group_id) "
            "JOIN library.asset a USING (asset_id) GROUP BY g.group_id, g.class"
        )
        return {(kind, frozenset(names)) for kind, names in rows}


def write_config(folder: Path, world: World, url: str, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """A configuration file with a variable per key."""
    lines = [f"immich:\n  url: {url}\n  requests_per_second: 5000\n{more}  users:"]
    for number, key in enumerate(world.keys.values()):
        monkeypatch.setenv(f"TEST_KEY_{number}", key.secret)
        lines.append(f"    - api_key_env: TEST_KEY_{number}")
    (folder / "immich-pipeline.yaml").write_text("\n".join(lines) + "\n")
