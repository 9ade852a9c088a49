"""Nothing is put into a trash that keeps nothing."""

import math
import time

from immich_pipeline.immich.client import ImmichClient

_OLD_AFTER = 10.0  # seconds; Immich looks into its trash once a night
_SWITCHED_OFF = (
    "the server's trash is switched off, or keeps nothing for a day, so that the file would be deleted for good: switch it on in Immich "
    "(Administration > Settings > Trash)"
)


class Trash:
    """The trash of one server."""

    def __init__(self, client: ImmichClient) -> None:
        """Take over the client; nothing is asked yet."""
        self._client = client
        self._asked_at, self._days = -math.inf, 0

    def why_not(self) -> str | None:
        """Why nothing may be put into it now; None: it keeps what is put there.

        Raises:
            ImmichError: the server does not say.
        """
        if time.monotonic() - self._asked_at > _OLD_AFTER:
            self._days, self._asked_at = self._client.trash_days(), time.monotonic()
        return None if self._days else _SWITCHED_OFF
