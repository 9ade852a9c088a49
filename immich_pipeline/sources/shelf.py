"""Looks at pictures kept at hand until they have been compared with all they are to be compared with."""

from dataclasses import replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType

from immich_pipeline.media.looks import COLOUR_BYTES, GRAY_BYTES, PictureLook

_SLOT_BYTES = GRAY_BYTES + COLOUR_BYTES
MEMORY_BYTES = 256 << 20
"""Some 3,900 looks. Pictures that hang together in greater numbers go to a file without a name, which ends with the program."""


class Shelf:
    """Looks by key. Use it as a context manager.

    Args:
        folder: where the file is made when memory does not hold them all.
        memory_bytes: how much is held in memory.
    """

    def __init__(self, folder: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._slots = SpooledTemporaryFile(max_size=memory_bytes, dir=str(folder))  # noqa: SIM115 - closed on leaving
        self._kept: dict[bytes, tuple[int, PictureLook]] = {}
        self._free: list[int] = []
        self._used = 0

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw everything away."""
        self._slots.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: bytes, look: PictureLook) -> None:
        """Keep a look under a key that is not in use."""
        slot = self._free.pop() if self._free else self._used
        self._used = max(self._used, slot + 1)
        self._slots.seek(slot * _SLOT_BYTES)
        self._slots.write((look.gray + look.rgb).ljust(_SLOT_BYTES, b"\0"))
        self._kept[key] = slot, replace(look, gray=b"", rgb=b"")

    def get(self, key: bytes) -> PictureLook:
        """The look of a key that is in use."""
        slot, look = self._kept[key]
        if look.problem:
            return look
        self._slots.seek(slot * _SLOT_BYTES)
        content = self._slots.read(_SLOT_BYTES)
        return replace(look, gray=content[:GRAY_BYTES], rgb=content[GRAY_BYTES:])

    def drop(self, key: bytes) -> None:
        """Let the place be used for another."""
        slot, _ = self._kept.pop(key)
        self._free.append(slot)
