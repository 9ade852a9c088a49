"""An Immich server: its REST API, its database, its files. Knows nothing of the pipeline's own tables."""
