"""A library of duplicates resolved without a person: `python -m benchmarks.resolve --groups 2000 --version 3.2.2 [--faults 100]`.

A stand-in server holds `groups` groups of copies on which everything that people know of their photos is spread by chance: positions,
dates, zones, albums and their covers, shared links, favourites, ratings, tags, descriptions, faces, live videos, stacks; RAW and JPEG
imported twice; external libraries; and groups that nobody may touch. Hashes and looks are written into the pipeline's database instead of
being measured; all else is the real flow, over real HTTP, with real backups. `--faults` lets so many requests fail (500, connections that
end without an answer or in the middle of it, half an answer), and kills a fifth as many processes (SIGKILL) on top, while it is applied
and while it is undone. No peer: what counts is that `losses` is 0 and `undo_exact` true, found by a checker of its own that compares
every field of everything the server holds.

One line of JSON per phase: look (snapshot to decisions), apply, check, undo, check_undo.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, peak_mb, progress
from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.migrate import migrate
from immich_pipeline_tests.actions.duplicate_trouble import Trouble
from immich_pipeline_tests.actions.duplicate_world import DuplicateWorld, Pipeline, cautious, eager
from immich_pipeline_tests.actions.whole_world import Resolved, left_behind, whole
from immich_pipeline_tests.immich_stub import StubServer

_REQUESTS_PER_GROUP = 15
_MOST_PLANS = 30


class Resolving:
    """The phases of one run."""

    def __init__(self, pipeline: Pipeline, options: dict[str, Any], faults: int) -> None:
        """Take over.

        Args:
            pipeline: the pipeline and its server.
            options: told with every line.
            faults: how many requests are to fail.
        """
        self.pipeline, self.options, self.faults = pipeline, options, faults
        self.before = whole(pipeline.made.world)
        self.trouble = Trouble(pipeline)
        self.worked: list[str] = []
        self.certain = 1

    def phase(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        """Do something, and tell what came of it."""
        progress(f"{name} ...")
        requests, began = len(self.pipeline.stub.requests), time.perf_counter()
        told = work()
        seconds = time.perf_counter() - began
        asked = len(self.pipeline.stub.requests) - requests
        groups = told.get("groups") or self.options["groups_made"]
        told |= {"requests": asked, "requests_per_group": round(asked / groups, 1)}
        told |= {"seconds_per_group": round(seconds / groups, 4), "peak_mb": round(peak_mb(), 1)}
        line = {"name": "resolve", "phase": name, **self.options, "seconds": round(seconds, 2), **told}
        print(json.dumps(line), flush=True)

    def look(self) -> dict[str, Any]:
        """Read the server, and decide."""
        read = self.pipeline.look()
        decided = self.pipeline.decisions()
        self.certain = decided.filter(verdict="certain").height
        return {"details_read": read.read, "sets": decided.height, "certain": self.certain}

    def apply(self) -> dict[str, Any]:
        """Plan after plan, until nothing is left to be resolved."""
        done = 0
        skipped: dict[str, int] = {}
        for _ in range(_MOST_PLANS):
            plan = self.pipeline.plan()
            if not plan.actions or plan.plan_id in self.worked:
                break
            self.worked.append(plan.plan_id)
            self._disturb("apply", plan.plan_id, len(plan.actions))
            applied = self.pipeline.apply(plan.plan_id)
            if applied.failed or applied.held or applied.stopped:
                raise AssertionError(f"not resolved: {applied}")
            done += applied.done + applied.already
            for _, reason in applied.problems:
                skipped[reason] = skipped.get(reason, 0) + 1
            progress(f"plan {len(self.worked)}: {done} done")
            self.pipeline.look()
        return {"groups": done, "plans": len(self.worked), "skipped": skipped, "struck": dict(self.trouble.struck)}

    def check(self) -> dict[str, Any]:
        """Compare everything."""
        pipeline = self.pipeline
        resolved = self._resolved()
        problems = resolved.problems()
        copies = pipeline.backups()
        return {
            "given_up": len(resolved.given_up),
            "losses": len(problems),
            "examples": problems[:5],
            "backups_verified": sum(one in copies and copies[one].is_file() for one in resolved.given_up),
        }

    def undo(self) -> dict[str, Any]:
        """The last plan first."""
        back = 0
        before = self.trouble.struck.copy()
        for plan_id in reversed(self.worked):
            actions = next(len(plan.actions) for plan in self.pipeline.plans if plan.plan_id == plan_id)
            self._disturb("undo", plan_id, actions)
            undone = self.pipeline.undo(plan_id)
            if undone.failed or undone.refused or undone.held:
                raise AssertionError(f"not undone: {undone}")
            back += undone.undone + undone.already
        return {"groups": back, "struck": dict(self.trouble.struck - before)}

    def check_undo(self) -> dict[str, Any]:
        """Compare everything with what there was in the beginning."""
        left = left_behind(self.before, whole(self.pipeline.made.world))
        return {"undo_exact": not left, "examples": left[:5]}

    def _resolved(self, *, half: bool = False) -> Resolved:
        pipeline = self.pipeline
        after = whole(pipeline.made.world)
        return Resolved(pipeline.made.groups, self.before, after, pipeline.kept, pipeline.backups(), half=half)

    def _disturb(self, what: Any, plan_id: str, actions: int) -> None:
        """A share of all the trouble, by the share that these actions are; nothing may be lost after any of it."""
        share = actions / self.certain * self.faults / (1 if what == "apply" else 2)
        kills, faults = round(share / 5), round(share)
        requests = actions * _REQUESTS_PER_GROUP
        for _ in range(kills):
            self.trouble.killed(what, plan_id, self.trouble.dice.randrange(10, max(20, requests // (2 * kills))))
            self._check_safe()
        if faults:
            self.trouble.disturbed(what, plan_id, faults=faults, apart=max(5, requests // (2 * faults)))
            self._check_safe()

    def _check_safe(self) -> None:
        problems = self._resolved(half=True).problems()
        if problems:
            raise AssertionError(f"lost while something went wrong: {problems[:5]}")


def main() -> None:
    """Run it all."""
    parser = arguments(__doc__ or "", n=0, n_help="the same as --groups")
    parser.add_argument("--groups", type=int, default=2000, help="groups of copies (default 2000)")
    parser.add_argument("--version", default="3.2.2", help="version that the server says it is (default 3.2.2)")
    parser.add_argument(
        "--faults", type=int, default=0, help="requests that fail; a fifth as many processes are killed"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cautious", action="store_true", help="the default protection of favourites, ratings, albums")
    asked = parser.parse_args()
    groups = asked.n or asked.groups
    logging.getLogger("immich_pipeline").setLevel(logging.ERROR)
    made = DuplicateWorld(asked.version, groups, asked.seed)
    options = {
        "groups_made": groups,
        "assets": len(made.world.assets),
        "version": asked.version,
        "faults": asked.faults,
    }
    with tempfile.TemporaryDirectory() as folder, server.running(Path(folder) / "postgres") as url:
        database = Database(url)
        migrate(database)
        with StubServer(made.world, validate=False) as stub:
            settings = cautious if asked.cautious else eager
            pipeline = Pipeline(made, stub, database, Path(folder) / "home", settings=settings)
            run = Resolving(pipeline, options | {"settings": settings.__name__}, asked.faults)
            for name in ("look", "apply", "check", "undo", "check_undo"):
                run.phase(name, getattr(run, name))


if __name__ == "__main__":
    main()
