"""An Immich server as a source of photos: through its API or its database, both into the same rows."""
