"""Do the capture groups hold together?"""

from immich_pipeline.defs.group_checks import group_checks

capture_group_checks = group_checks("capture_groups", "captures", "capture_member")
