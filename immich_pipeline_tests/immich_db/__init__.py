"""Databases with Immich's own tables, made by us, filled from an `immich_world.World`."""
