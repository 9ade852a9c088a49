"""Time limits on a machine that does other things as well."""

import os

from immich_pipeline.media.pool import available_cores


def patience() -> float:
    """How many times as long as on an idle machine something may take: as many as processes want each core."""
    return max(1.0, os.getloadavg()[0] / available_cores())
