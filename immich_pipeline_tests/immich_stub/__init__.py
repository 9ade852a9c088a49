"""A stand-in Immich over real HTTP: serves a `World` in the dialect of its version, with the quirks that real servers showed."""

from immich_pipeline_tests.immich_stub.server import StubServer

__all__ = ["StubServer"]
