"""Pictures whose truth is known, through the whole of duplicate detection: the benchmark `confusion` in small."""

from pathlib import Path

import polars as pl

from benchmarks.confusion import COPIES, UNATTENDED, with_truth
from immich_pipeline.store.database import Database
from immich_pipeline_tests.corpus.flow import find_duplicates
from immich_pipeline_tests.corpus.library import BARE, CAMERA, Folder, write_families, write_series
from immich_pipeline_tests.corpus.negatives import series
from immich_pipeline_tests.corpus.originals import painted

STILL = ("burst on a tripod", "burst, nothing moves", "eyes open", "photographed pages")


def test_copies_are_found_and_nothing_else_is_given_up_without_a_person(database: Database, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "photos")
    write_families(folder, painted(3, 900), every=3)
    alike = (one for one in series([*painted(1, 1000)], 900, real=False) if one.name.startswith(STILL))
    write_series(folder, alike, (CAMERA[0], BARE[0], BARE[2]))
    truth = folder.truth().with_columns(shown="picture")
    found = find_duplicates(database, tmp_path / "photos", tmp_path / "home")
    pairs = with_truth(found.pairs, truth)
    copies = pairs.filter(pl.col("pair") == COPIES)
    assert copies.height > 50
    assert copies.select(pl.col("class").is_in(UNATTENDED).mean()).item() >= 0.99
    assert copies["certain"].any()
    others = pairs.filter(pl.col("pair") != COPIES)
    assert others.height > 50
    assert others.filter("certain").select("class", "what", "what_right").rows() == []
    shown = dict(truth.select("path", "shown").iter_rows())
    certain = found.given_up.filter(pl.col("verdict") == "certain").select("path", "keeper").rows()
    assert [(lost, kept) for lost, kept in certain if shown[lost] != shown[kept]] == []
