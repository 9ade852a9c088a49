from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from immich_pipeline.media.hashing import digests_of


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64, 1000])
def test_equals_hashlib_whatever_the_block_size(size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    digests = digests_of(io.BytesIO(content), block_bytes=16)
    assert digests == (hashlib.sha256(content).digest(), hashlib.sha1(content).digest())


def test_begins_at_the_current_position(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"headtail")
    with file.open("rb") as fh:
        fh.seek(4)
        assert digests_of(fh).sha256 == hashlib.sha256(b"tail").digest()


def test_known_digest() -> None:
    digests = digests_of(io.BytesIO(b"abc"))
    assert digests.sha256.hex().startswith("ba7816bf8f01cfea414140de5dae2223")
    assert digests.sha1.hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_an_error_of_the_file_is_not_hidden(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as fh, pytest.raises(OSError, match="reading"):
        digests_of(fh)
