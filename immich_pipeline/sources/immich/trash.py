"""Whether a server has a trash: where it has none, what is put there would be deleted for good."""

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.progress import logger
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.store.database import Database
from immich_pipeline.store.immich import note_trash


def look_at_trash(database: Database, server: ImmichServer) -> int | None:
    """Ask how many days the trash keeps things, and remember it; 0: it is switched off.

    Only the API tells. Where it is not configured or does not answer at once, what was known stays, and None is returned: before
    anything is put into the trash, it is asked again.
    """
    settings = server.settings
    if settings.url is None or not settings.users:
        return None
    try:
        with ImmichClient.open(settings.model_copy(update={"retries": 0}), settings.users[0]) as client:
            days = client.trash_days()
    except ImmichError as error:
        logger.info("whether the server has a trash is not known: %s", error)
        return None
    with database.frames() as frames:
        if note_trash(frames, server.source_id, days) and not days:
            logger.warning("the trash of the server is switched off: no duplicate is put into it")
    return days
