"""One word for the same contents: files of two owners may be the same, and what is said is remembered by content."""

from collections.abc import Mapping

from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.dedup.review_file import Dismissal, Settled, Verdict

Held = Mapping[str, tuple[str, bytes | None, str | None]]
"""What holds already, by ``contents_key``: verdict, content and asset of the one to keep."""


def one_word(settled: Settled, held: Held) -> Settled:
    """Of words about the same contents, let the most careful hold: "dismiss" before "reject" before "accept".

    Of several that accept, the one that holds already stands, then one that swaps the kept one, then the first. Whoever accepts
    the same content as proposed agrees with it, whichever of the equal copies it names.

    Args:
        settled: What the choices of a file come to.
        held: What holds already.

    Returns:
        The same, with one verdict for the same contents; every word that cannot hold beside it is a problem instead.
    """
    first: dict[frozenset[bytes], Verdict | Dismissal] = {}
    for dismissal in settled.dismissals:
        first.setdefault(dismissal.contents, dismissal)
    for verdict in sorted(settled.verdicts, key=lambda verdict: _rank(verdict, held)):
        first.setdefault(verdict.contents, verdict)
    verdicts, problems = [], []
    for said in settled.verdicts:
        winner = first[said.contents]
        if isinstance(winner, Verdict) and _agrees(said, winner):
            verdicts.append(winner._replace(place=said.place, set_id=said.set_id))
        else:
            problems.append(f"{said.place}: {winner.place} says something else of the same contents, and that holds")
    return Settled(verdicts, settled.dismissals, settled.stale, [*settled.problems, *problems])


def _rank(verdict: Verdict, held: Held) -> tuple[bool, bool, bool]:
    holds = held.get(contents_key(verdict.contents)) == (verdict.verdict, verdict.keeper_content, verdict.keeper_asset)
    return verdict.verdict == "accepted", not holds, not verdict.is_swapped


def _agrees(said: Verdict, winner: Verdict) -> bool:
    if said.verdict != winner.verdict:
        return False
    same = said.keeper_content == winner.keeper_content
    return said.keeper_content is None or (same and (said.keeper_asset == winner.keeper_asset or not said.is_swapped))
