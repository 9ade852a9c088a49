"""What assets need from outside: the settings and the pipeline's database."""

from functools import cache
from pathlib import Path

import dagster as dg

from immich_pipeline.config import Settings, load_settings
from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.migrate import migrate


@cache
def _embedded(home: Path) -> Database:
    """The embedded server of a data folder, kept up as long as this process lives; tables brought up to date."""
    database = Database(server.keep_running(home))
    migrate(database)
    return database


class PipelineResource(dg.ConfigurableResource):
    """The settings from file and environment, and the database that they name (the embedded one unless they say otherwise)."""

    def settings(self) -> Settings:
        """The settings as they are now."""
        return load_settings()

    def database(self) -> Database:
        """The database; `immich-pipeline run` has migrated one that it names, the embedded one is migrated here."""
        settings = self.settings()
        return Database(settings.database_url) if settings.database_url else _embedded(settings.home)


@dg.definitions
def resources() -> dg.Definitions:
    """Bind the resources."""
    return dg.Definitions(resources={"pipeline": PipelineResource()})
