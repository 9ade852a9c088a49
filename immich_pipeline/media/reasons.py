"""Why a file could not be measured: a stable code for programs and a sentence for people."""

from __future__ import annotations

from typing import Literal, get_args

ErrorKind = Literal[
    "missing",  # no file of that name any more
    "unreadable",  # permission denied
    "not_a_file",  # a folder, a named pipe, a device, a link
    "empty",  # 0 bytes
    "changed_while_reading",  # somebody wrote to it during the measurement
    "io_error",  # the disk or the network share failed
    "unsupported",  # no decoder exists here, or none for this variant
    "missing_extra",  # an optional package would decode it
    "no_preview",  # a RAW without a picture large enough to hash
    "truncated",  # the end is missing
    "corrupt",  # the data contradicts its format
    "too_large",  # more pixels than a worker can hold
    "wrong_content",  # not what its name says, e.g. a web page named .jpg
    "timeout",  # took longer than the time allowed
    "worker_died",  # crashed the process that read it
    "out_of_memory",  # needed more memory than a worker may use
    "not_on_server",  # the server has no such picture, file or asset any more
    "not_permitted",  # the server refused: wrong key, missing permission, or no key at all
    "checksum_mismatch",  # not the bytes that the server once recorded
    "outside_mapped_folders",  # a link that leads out of the folders that are mounted here
    "not_as_recorded",  # not of the size that the server says
    "not_mounted",  # no mapping covers it, and it may not be downloaded either
]
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)

OUT_OF_MEMORY = "this needed more memory than a worker may use (raise IMMICH_PIPELINE_WORKER_MEMORY_MB)"
NO_PREVIEW_ON_SERVER = "no preview on the server: run Immich's job 'Generate Thumbnails' for what is missing"
ASSET_GONE = "the asset is not on the server any more: it is left out at the next look at the library"
ORIGINAL_GONE = (
    "the server does not have the original: see whether Immich shows the asset as offline, and scan its library"
)
NO_KEY_OF_OWNER = "no API key of this asset's owner: add one under 'users', or mount Immich's folders under 'paths'"
CHECKSUM_MISMATCH = (
    "not the bytes that were uploaded (SHA-1 differs): check the server's disk, and restore the file from a backup"
)
OUTSIDE_MAPPED_FOLDERS = (
    "a link leads out of the mounted folders: mount the folder it leads to, and add it under 'paths'"
)
NOT_MOUNTED = (
    "Immich's media folder is not mounted here: add it under 'paths', or an API key of the asset's owner under 'users'"
)
SERVER_SILENT = "the server did not answer: it is asked again the next time"


class MediaError(Exception):
    """A file, or its picture, cannot be used.

    Attributes:
        kind: one of ERROR_KINDS.
        sentence: the reason in plain English.
    """

    def __init__(self, kind: ErrorKind, sentence: str) -> None:
        super().__init__(kind, sentence)  # both, so that it survives pickling
        self.kind: ErrorKind = kind
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence
