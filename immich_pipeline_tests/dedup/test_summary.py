from immich_pipeline.dedup.summary import SUMMARY_SCHEMA, summary_by_class
from immich_pipeline_tests.dedup.pictures import groups_of, picture, verified_of

ROWS = [
    *(picture(name, sha256=b"s" * 32) for name in "abc"),
    picture("d", bits=30),
    picture("e", bits=32, size=400),
    picture("f", bits=33, bits256=30),
]


def test_every_class_has_its_line() -> None:
    summary = summary_by_class(groups_of(*ROWS).groups, verified_of(*ROWS))
    assert dict(summary.schema) == SUMMARY_SCHEMA
    assert summary.drop("title").rows() == [
        ("exact", 2, 1, 3, 3000, 2000),
        ("same_pixels", 0, 0, 0, 0, 0),
        ("reencoded", 1, 1, 2, 1400, 400),
        ("edited", 0, 0, 0, 0, 0),
        ("burst_neighbour", 0, 0, 0, 0, 0),
        ("similar", 2, 0, 0, 0, 0),
    ]


def test_an_empty_library_has_zeros() -> None:
    summary = summary_by_class(groups_of().groups, verified_of())
    assert summary.select("pairs", "groups", "reclaimable_bytes").sum().row(0) == (0, 0, 0)
    assert summary.height == 6
