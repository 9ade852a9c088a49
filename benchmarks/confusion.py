"""What duplicate detection makes of pictures whose truth is known: `python -m benchmarks.confusion [--size 900] [--every 6]`.

Originals are the samples beside the repository, where they are, and computed scenes; copies and edits are made of them, and series of
photos that look alike. Prints a table of pairs (truth by class), what would be given up without a person, and one line of JSON.

Two counts of what would be given up: `given_up_...` of the whole library, in which much waits for a person since edits and neighbours
are in one set with copies; and, harder, `certain_pairs...`: each pair as if its two files were all there is.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import polars as pl

from immich_pipeline.dedup.classes import CLASS_NAMES
from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.migrate import migrate
from immich_pipeline_tests.corpus.flow import Found, find_duplicates
from immich_pipeline_tests.corpus.library import BARE, CAMERA, Folder, write_families, write_series
from immich_pipeline_tests.corpus.negatives import series
from immich_pipeline_tests.corpus.originals import SAMPLES, painted, sample_photos

UNATTENDED = ["exact", "same_pixels", "reencoded"]
COPIES = "copies"


def main() -> None:
    """Make the pictures, find, compare with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=900, help="long side of the originals, pixels")
    parser.add_argument("--every", type=int, default=6, help="of so many edits each original gets one")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # where this runs as root, the database is another user's
        truth = _library(Path(folder) / "photos", options.size, options.every)
        with server.running(Path(folder) / "home") as url:
            database = Database(url)
            migrate(database)
            found = find_duplicates(database, Path(folder) / "photos", Path(folder) / "home")
    _tell(truth, found, time.perf_counter() - began)


def _library(photos: Path, size: int, every: int) -> pl.DataFrame:
    """The pictures' truth, with `shown`: what is on the picture, whatever it was saved as."""
    folder = Folder(photos)
    samples = list(sample_photos(size)) if SAMPLES.is_dir() else []
    write_families(folder, [*samples, *painted(6, size)], every)
    write_series(folder, series([*painted(4, size * 9 // 8)], size, real=bool(samples)), (*CAMERA, *BARE))
    # the same frame of a series, saved in another way, is a copy of it
    ways = "|".join(sorted((way.name for way in (*CAMERA, *BARE)), key=len, reverse=True))
    shown = pl.col("picture").str.replace(rf", (?:{ways})(, \d+)$", "$1")
    return folder.truth().with_columns(shown=pl.when(pl.col("truth") == "negative").then(shown).otherwise("picture"))


def _tell(truth: pl.DataFrame, found: Found, seconds: float) -> None:
    pairs = with_truth(found.pairs, truth)
    copies = pairs.filter(pl.col("pair") == COPIES)
    recall = copies.filter(pl.col("truth") != "negative").select(pl.col("class").is_in(UNATTENDED).mean()).item()
    shown = dict(truth.select("path", "shown").iter_rows())
    given_up = found.given_up.filter(pl.col("verdict") == "certain")
    wrong = [(lost, kept) for lost, kept in given_up.select("path", "keeper").iter_rows() if shown[lost] != shown[kept]]
    certain = pairs.filter("certain").group_by("pair").agg(pl.len().alias("resolved without a person, if alone"))
    table = pairs.pivot(on="class", index="pair", values="left", aggregate_function="len")
    table = table.select("pair", *(name for name in CLASS_NAMES if name in table.columns)).join(
        certain, on="pair", how="left"
    )
    with pl.Config(
        tbl_cols=-1,
        tbl_width_chars=200,
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
    ):
        print(table.fill_null(0).sort("pair"))
        print(_mistaken(pairs))
    line = {
        "name": "confusion",
        "n": truth.height,
        "seconds": round(seconds, 1),
        "copies": copies.height,
        "recall": recall,
        "certain_pairs": pairs.filter("certain").height,
        "certain_pairs_wrong": pairs.filter("certain", pl.col("pair") != COPIES).height,
        "given_up_unattended": given_up.height,
        "given_up_wrongly": len(wrong),
    }
    print(json.dumps(line))


def with_truth(pairs: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """The pairs with what both sides are in truth, and `pair`: how they belong together."""
    sides = truth.select("path", "shown", "family", "truth", "what")
    both = pairs.join(sides, left_on="left", right_on="path").join(
        sides, left_on="right", right_on="path", suffix="_right"
    )
    same, kin = pl.col("shown") == pl.col("shown_right"), pl.col("family") == pl.col("family_right")
    negative = pl.col("truth") == "negative"
    kind = pl.when(same).then(pl.lit(COPIES)).when(kin & negative).then(pl.lit("hard negatives"))
    return both.with_columns(pair=kind.when(kin).then(pl.lit("edits")).otherwise(pl.lit("others that look alike")))


def _mistaken(pairs: pl.DataFrame) -> pl.DataFrame:
    """Which edits and series come nearest to being taken for copies: by what they are, the pairs with a class of copies."""
    taken = pairs.filter(pl.col("pair") != COPIES, pl.col("class").is_in(UNATTENDED))
    of_edit = pl.when(pl.col("truth") == "edit").then("what").otherwise("what_right")
    return (
        taken.group_by("pair", what=of_edit)
        .agg(pl.len().alias("taken for copies"), certain=pl.col("certain").sum())
        .sort("certain", "taken for copies", "what", descending=[True, True, False])
        .head(20)
    )


if __name__ == "__main__":
    main()
