"""What holds of every decision, whatever the files are.

Each example is a library of many random sets: they are decided independently of each other, which is a test of its own.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup.decide import VERDICTS, Decisions, decide
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import NOON, Row, asset, dated, facts_of, sets_of, word
from immich_pipeline_tests.thorough import times

MOMENTS = [NOON, NOON + timedelta(seconds=1), NOON - timedelta(hours=3)]
POLICIES = [
    DuplicateSettings(),
    DuplicateSettings(policy="metadata_first"),
    DuplicateSettings(prefer_library="external"),
]

VALUES: dict[str, Sequence[Any]] = {
    "width": [4000, 3960, 3930, 3880, 2000, None],
    "size": [1000, 1001, 5000],
    "format": ["jpeg", "jpeg", "heif", None],
    "latitude": [None, 1.0, 50.0],
    "longitude": [None, 2.0],
    "time_zone": [None, "UTC"],
    "make": [None, "Canon", " "],
    "lens": [None, "50 mm"],
    "place": [None, "Bonn"],
    "albums": [0, 0, 2],
    "tags": [[], ["x"], ["keep"]],
    "description": [None, "x"],
    "people": [None, 0, 2],
    "rating": [None, 3, 5],
    "is_favorite": [False, False, True],
    "is_edited": [False, False, False, True],
    "software": [None, "GIMP", "1.0"],
    "name": ["i.jpg", "i.jpg", "i (1).jpg", "i-edited.jpg"],
    "library_id": [None, None, "ext"],
    "server_asset": [True, True, False],
    "content": [None, b"x" * 32, b"y" * 32],
    "mtime_ns": [None, 10**18],
    "live_video_id": [None, None, "v"],
}


def random_unit(dice: random.Random, name: str, plainness: float) -> list[Row]:
    """The files of one unit: one, or a RAW file and its JPEG. The plainer, the more often nothing is said of a thing."""
    known = {column: dice.choice(choices) for column, choices in VALUES.items() if dice.random() > plainness}
    if dice.random() < 0.5:
        source = dice.choice(["exif_original", "server", None])
        known |= dated(dice.choice(MOMENTS), dice.choice([None, 0, 2]), source)
    single = asset(name, unit=name, **known)
    if dice.random() < 0.75:
        return [single]
    group = dice.choice(["graw", None])
    return [single, asset(f"{name}raw", kind="raw", unit=name, group=group, role="raw")]


def random_sets(seed: int, sets: int) -> list[list[Row]]:
    """Sets of one to five units; assets, units and sets have names of their own."""
    dice = random.Random(seed)
    made = []
    for number in range(sets):
        named, plainness = dice.choice(["exact", "edited"]), dice.choice([0.0, 0.5, 0.9])
        units = [random_unit(dice, f"s{number}u{unit}", plainness) for unit in range(dice.randint(1, 5))]
        made.append([row | {"class": named, "set": f"s{number}"} for unit in units for row in unit])
    return made


def flat(sets: Sequence[list[Row]]) -> list[Row]:
    return [row for rows in sets for row in rows]


def choose(rows: list[Row], policy: DuplicateSettings) -> Decisions:
    return decide(sets_of(rows), facts_of(rows), policy)


def kept_units(rows: list[Row], policy: DuplicateSettings) -> dict[str, str]:
    """The kept unit of each set."""
    return dict(choose(rows, policy).decisions.select("set_id", "keeper_unit").rows())


SEEDS = st.integers(0, 2**32)
PROPERTY = settings(max_examples=6, deadline=None)

ADDED: list[Row] = [
    {"latitude": 50.0, "longitude": 7.0},
    {"time_zone": "Asia/Tokyo"},
    {"make": "Canon", "model": "R5"},
    {"lens": "85 mm"},
    {"place": "Rome"},
    {"albums": 7},
    {"tags": ["x", "y"]},
    {"tags": ["keep", "x"]},
    {"description": "words"},
    {"people": 3},
    {"rating": 5},
    {"is_favorite": True},
    {"live_video_id": "another"},
]


def with_more(row: Row, added: Row) -> Row:
    """The file with one thing more; what it knew already stays."""
    fresh = {key: value for key, value in added.items() if row[key] in (None, "", " ", 0, [], False)}
    if row["latitude"] is not None and row["longitude"] is not None:
        fresh = {key: value for key, value in fresh.items() if key not in {"latitude", "longitude"}}
    return row | fresh


def with_time(row: Row) -> Row:
    """A time where there is none, else the zone where there is none."""
    if row["taken_at_local"] is None:
        return row | dated(datetime(2024, 5, 5, 5, 5, 5), None)
    if row["taken_at"] is None:
        late = (row["taken_at_local"] + timedelta(hours=11)).replace(tzinfo=UTC)
        return row | {"taken_at": late, "utc_offset_minutes": -660}
    return row


@PROPERTY
@given(SEEDS, st.sampled_from(POLICIES))
def test_the_order_of_rows_does_not_count(seed: int, policy: DuplicateSettings) -> None:
    rows = flat(random_sets(seed, 60))
    before = choose(rows, policy)
    dice = random.Random(seed)
    mixed, others = dice.sample(rows, len(rows)), dice.sample(rows, len(rows))
    after = decide(sets_of(mixed), facts_of(others), policy)
    assert before.decisions.equals(after.decisions)
    assert before.members.equals(after.members)


@PROPERTY
@given(SEEDS, st.sampled_from(POLICIES))
def test_every_decision_is_whole(seed: int, policy: DuplicateSettings) -> None:
    sets = random_sets(seed, 60)
    found = choose(flat(sets), policy)
    for rows, row in zip(
        sorted(sets, key=lambda rows: rows[0]["set"]), found.decisions.iter_rows(named=True), strict=True
    ):
        members = found.members.filter(pl.col("set_id") == row["set_id"])
        roles = dict(members.select("asset_id", "role").rows())
        assert row["set_id"] == rows[0]["set"]
        assert row["verdict"] in VERDICTS
        assert [name for name, role in roles.items() if role == "keeper"] == [row["keeper_id"]]
        kept = {entry["asset_id"] for entry in rows if entry["unit"] == row["keeper_unit"]}
        assert {name for name, role in roles.items() if role in {"keeper", "kept"}} == kept
        stuck = members.filter(pl.col("role") == "loser", pl.col("obstacle").is_not_null())
        assert ("not_deletable" in row["conflicts"]) == (stuck.height > 0)
        assert members.filter(pl.col("role").is_in(["keeper", "kept"]))["obstacle"].is_null().all()
        if row["verdict"] == "certain":
            assert not row["conflicts"]
            assert row["class"] == "exact"


@PROPERTY
@given(SEEDS, st.sampled_from(POLICIES))
def test_what_is_kept_is_kept_again(seed: int, policy: DuplicateSettings) -> None:
    rows = flat(random_sets(seed, 60))
    kept = kept_units(rows, policy)
    again = choose([row for row in rows if row["unit"] == kept[row["set"]]], policy).decisions
    assert dict(again.select("set_id", "keeper_unit").rows()) == kept
    assert set(again["verdict"]) == {"keep"}


@settings(max_examples=times(6, 12), deadline=None)
@given(SEEDS, st.sampled_from(POLICIES))
def test_more_metadata_never_makes_a_file_lose(seed: int, policy: DuplicateSettings) -> None:
    sets = random_sets(seed, 60)
    dice = random.Random(seed)
    richer = {rows[0]["set"]: dice.choice(rows)["unit"] for rows in sets}
    gains: dict[str, Callable[[Row], Row]] = {}
    for name in richer:
        added = dice.choice([*ADDED, None])
        gains[name] = with_time if added is None else (lambda row, added=added: with_more(row, added))  # type: ignore[misc]
    changed = [
        [gains[row["set"]](row) if row["asset_id"] == richer[row["set"]] else row for row in rows] for rows in sets
    ]
    before, after = kept_units(flat(sets), policy), kept_units(flat(changed), policy)
    for name, unit in richer.items():
        # A kept one stays; for another, a third may come in front, but it never loses to one that it did not lose to.
        assert before[name] != unit or after[name] == unit
    lost_before, lost_after = (lost_pairs(made, richer, policy) for made in (sets, changed))
    assert lost_after <= lost_before


def lost_pairs(sets: Sequence[list[Row]], units: dict[str, str], policy: DuplicateSettings) -> set[str]:
    """The pairs in which a unit loses when it alone stands against another."""
    pairs = []
    for rows in sets:
        unit = units[rows[0]["set"]]
        for other in {row["unit"] for row in rows} - {unit}:
            name = f"{unit} {other}"
            both = [row for row in rows if row["unit"] in {unit, other}]
            pairs += [row | {"asset_id": f"{name} {row['asset_id']}", "set": name} for row in both]
    return {name for name, kept in kept_units(pairs, policy).items() if not name.startswith(f"{kept} ")}


@pytest.mark.parametrize("seed", range(2))
def test_many_sets_are_decided_like_each_alone(seed: int) -> None:
    sets = random_sets(seed, 8)
    together = choose(flat(sets), DuplicateSettings())
    for rows in sets:
        alone = choose(rows, DuplicateSettings())
        of_set = pl.col("set_id") == rows[0]["set"]
        assert together.decisions.filter(of_set).equals(alone.decisions)
        assert together.members.filter(of_set).equals(alone.members)


def contents_in(rows: list[Row]) -> list[bytes]:
    return [row["content"] for row in rows if row["content"]]


@PROPERTY
@given(SEEDS, st.sampled_from(POLICIES))
def test_a_no_is_never_forgotten_and_a_yes_never_stretched(seed: int, policy: DuplicateSettings) -> None:
    dice = random.Random(seed)
    sets = random_sets(seed, 60)
    for rows in sets:
        for row in rows:
            # The contents are few: many sets share some, and many files of a set are copies of each other.
            row["content"] = row["content"] or (dice.randbytes(1) * 32 if dice.random() < 0.9 else None)
    listed = [contents for rows in sets if (contents := contents_in(rows))]
    noes = [dice.sample(contents, dice.randint(1, len(contents))) for contents in dice.sample(listed, 10)]
    yeses = dice.sample(listed, 10)
    words = pl.concat([*(word("rejected", *no) for no in noes), *(word("accepted", *yes) for yes in yeses)])
    words = words.unique("contents_key", keep="first", maintain_order=True)
    rejected, accepted = ({frozenset(no) for no in noes}, {frozenset(yes) for yes in yeses})
    before = dict(choose(flat(sets), policy).decisions.select("set_id", "verdict").rows())
    found = decide(sets_of(flat(sets)), facts_of(flat(sets)), policy, words)
    verdicts = dict(found.decisions.select("set_id", "verdict").rows())
    for rows in sets:
        contents, verdict, untold = contents_in(rows), verdicts[rows[0]["set"]], before[rows[0]["set"]]
        is_accepted = len(contents) == len(rows) and frozenset(contents) in accepted - rejected
        counts = [sum(content in no for content in contents) for no in rejected]
        if is_accepted:
            assert verdict in {"accepted", "certain", "keep"}
        elif contents and len(contents) in counts:
            assert verdict == "keep"
        elif max(counts) > 1:
            assert verdict in {"review", "keep"}
        else:
            assert verdict == untold
