"""When stacks are made without a person at hand: only where the settings say so."""

from immich_pipeline.defs.applying import daily_where_auto
from immich_pipeline.defs.jobs import apply_stacks

daily_stacks = daily_where_auto("daily_stacks", apply_stacks, "stacks", "45 4 * * *")
