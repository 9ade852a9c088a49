"""Which policy a decision was made by, as one short text."""

import hashlib
import json

from immich_pipeline.dedup.decision_rules import rules_text
from immich_pipeline.policies import DuplicateSettings

_DECIDING = {
    "unattended",
    "instead",
    "weights",
    "protect",
    "pixel_tolerance",
    "formats",
    "folders",
    "names",
    "prefer_library",
    "gps_tolerance_metres",
    "delete_from",
}


def policy_hash(settings: DuplicateSettings) -> str:
    """SHA-256 (hex) over everything that a decision depends on: these settings, and the rules that come with the package.

    How many groups a run resolves, where backups go and the like change no decision, and so do not count.
    """
    said = settings.model_dump(mode="json", include=_DECIDING)
    said |= {"steps": settings.steps, "backup_required": settings.backup.required}
    text = json.dumps(said, sort_keys=True, ensure_ascii=True) + rules_text()
    return hashlib.sha256(text.encode()).hexdigest()
