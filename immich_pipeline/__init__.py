"""Look after a photo library with Dagster: hash, group, find duplicates, decide, change it safely."""

__version__ = "0.1.0"
