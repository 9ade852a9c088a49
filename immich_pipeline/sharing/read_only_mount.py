"""The source's folder at a second place in Immich's container, where nobody can delete anything."""

from immich_pipeline.immich.paths import PathMap
from immich_pipeline.share_settings import is_within


def compose_volume(paths: PathMap, media: str, source_prefix: str, target_prefix: str) -> str:
    """The line that a person adds under `volumes:` of Immich's server in its docker-compose.yml.

    Args:
        paths: where Immich's folders are mounted here; the host's own folder is taken to be that one.
        media: Immich's media folder, as Immich sees it, which its compose file calls UPLOAD_LOCATION.
        source_prefix: the source's folder, as Immich sees it.
        target_prefix: where the target's library is to see it.
    """
    if is_within(source_prefix, media):
        host = f"${{UPLOAD_LOCATION}}{source_prefix[len(media) :]}"
    else:
        here = paths.locate(source_prefix)
        host = str(here.path) if here else f"<the host's folder of {source_prefix}>"
    return f"- {host}:{target_prefix}:ro"
