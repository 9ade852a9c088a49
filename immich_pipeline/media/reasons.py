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
]
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)

OUT_OF_MEMORY = "this needed more memory than a worker may use (raise IMMICH_PIPELINE_WORKER_MEMORY_MB)"


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
