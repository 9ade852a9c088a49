"""The behaviours of sharing are numbered, B1 to B51, and the tests of each carry its number in their names: `test_b12_...`.

What of them is not built, and what is there instead:

| number | not built | since |
| --- | --- | --- |
| B1, in part | settings by environment variables alone, for one job | a list of jobs in the configuration says the same |
| B5, in part | an alarm when assets wait for days | the plan shows how many wait for Immich, and since when |
| B22, B23, in part | Immich's native sharing of people (3.3) | that version is not known yet, and refused |
| B27, in part | a tombstone before a person goes | an undo brings them back |
| B30, in part | the target's own asset put into the job's album | it is the target's, who puts it where they like |
| B31, in part | a look at the pixels | without a fraction of a second and a camera nothing is taken for the same |
| B33, in part | `ask` as a policy | a plan is approved by a person, operation by operation |
| B41, in part | a check that stops a run when nightly scans are on | the role may not read Immich's settings; a scan is told after it |
| B48, in part | removal of the people whom twins of embeddings made | no twins are made; a check counts such people |
| B49, in part | a health endpoint, a container's user, a check of freshness | a failed run is one in Dagster |
| B50 | sharing without writing to Immich's database | documented with what it lacks, in docs/sharing.md |
| B51, in part | the target's edits written back to the source | the source is authoritative; what the target chose stays its own |
"""

import re
from pathlib import Path

NUMBERS = frozenset(range(1, 52))


def named(folder: Path) -> set[int]:
    """The numbers in the names of tests: of `test_b09_b51_what` both."""
    names = (
        name for file in folder.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    )
    found = (re.match(r"test((?:_b\d\d)+)_", name) for name in names)
    return {int(number) for match in found if match for number in re.findall(r"\d\d", match[1])}


def left_out(table: str) -> set[int]:
    """The numbers that a table says are not built at all."""
    return {int(number) for number in re.findall(r"^\| B(\d+) \|", table, re.M)}


def test_every_behaviour_has_a_test_or_a_reason_to_have_none() -> None:
    tested, reasons = named(Path(__file__).parent), left_out(__doc__)
    assert sorted(NUMBERS - tested - reasons) == [], "neither a test nor a reason"
    assert sorted(tested & reasons) == [], "said not to be built, and tested"
    assert tested | reasons == NUMBERS, "there is no such number"
