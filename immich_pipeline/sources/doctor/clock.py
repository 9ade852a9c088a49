"""Do the clocks agree?"""

from datetime import datetime

from immich_pipeline.sources.doctor.look import Notes

SKEW_SECONDS = 30.0


def compare_clocks(whose: str, theirs: datetime, before: datetime, after: datetime, notes: Notes) -> None:
    """Note by how much a clock differs from ours, which showed `before` and `after` around the moment when theirs was read."""
    ahead = (theirs - (before + (after - before) / 2)).total_seconds()
    if abs(ahead) < SKEW_SECONDS:
        notes.ok("clock", f"{whose} and this machine agree")
        return
    way = "ahead of" if ahead > 0 else "behind"
    notes.warning(
        "clock",
        f"{whose} is {abs(ahead):,.0f} s {way} this machine; what is new is asked for by the server's own clock, so nothing is missed, "
        "but times in reports differ",
        "have both set their clocks by the network (NTP)",
    )
