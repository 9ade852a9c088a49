"""One user's assets in another user's library: complete records in Immich's database, kept up to date, and removable without trace."""
