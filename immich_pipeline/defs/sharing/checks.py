"""Is sharing safe, and is it left in peace? Each check looks at the job of its partition only."""

from collections.abc import Callable

import dagster as dg
import polars as pl

from immich_pipeline.actions import engine
from immich_pipeline.actions.sharing_plan import FAMILY
from immich_pipeline.defs.metadata import markdown_table
from immich_pipeline.defs.partitions import share_jobs
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.defs.sharing.assets import share_plan, shared_records
from immich_pipeline.sharing.checks import CHECKS, Finding
from immich_pipeline.sharing.contract import CannotShare, check_job, group_problems, read_layout
from immich_pipeline.sharing.cycle import look
from immich_pipeline.sharing.opening import open_share, removal_brake
from immich_pipeline.sharing.runs import is_prepared
from immich_pipeline.sharing.work import Work


@dg.asset_check(asset=share_plan, blocking=True, partitions_def=share_jobs)
def immich_is_as_known(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Immich's tables, columns, constraints and labels are those that writing relies on, and users, library and album fit the job.

    If not, nothing is written: upgrade immich-pipeline to a version that knows this Immich, or mend what is listed.
    """
    with open_share(pipeline.settings(), context.partition_key) as share:
        try:
            layout = read_layout(share.connection)
            check_job(share.connection, share.job, layout)
        except CannotShare as error:
            return dg.AssetCheckResult(passed=False, metadata={"problems": "\n".join(error.problems)})
    return dg.AssetCheckResult(
        passed=True, metadata={"contract": layout.version, "not_copied": ", ".join(layout.unknown_tables) or "nothing"}
    )


@dg.asset_check(asset=share_plan, blocking=True, partitions_def=share_jobs)
def one_cluster_group(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """From Immich 3.2 on: both users are in one cluster group, so that they know the same people; before, there are none.

    If not, nothing is written: an administrator puts both into one group, as the problem says.
    """
    with open_share(pipeline.settings(), context.partition_key) as share:
        try:
            problems = group_problems(share.connection, share.job, read_layout(share.connection))
        except CannotShare:
            return dg.AssetCheckResult(passed=True, metadata={"problem": "not looked at: see immich_is_as_known"})
    return dg.AssetCheckResult(passed=not problems, metadata={"problem": "; ".join(problems) or "none"})


@dg.asset_check(asset=share_plan, partitions_def=share_jobs)
def no_mass_removal(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """The next run would not remove more copies than the brakes allow.

    If it would, see whether the source is really gone (an unmounted disk, a scan that found nothing). Copies are made and followed all the
    same; apply the rest with over_brake, or --yes-over-brake, if it is meant.
    """
    settings = pipeline.settings()
    with open_share(settings, context.partition_key) as share:
        try:
            outlook = look(share.connection, share.job, share.media, brake=removal_brake(settings, released=True))
        except CannotShare:
            return dg.AssetCheckResult(passed=True, metadata={"reason": "nothing can be written at all"})
    leaving = len(outlook.planned["remove"].subjects)
    reason = removal_brake(settings).stop(leaving, outlook.copies)
    return dg.AssetCheckResult(
        passed=reason is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"leaving": leaving, "copies": outlook.copies, "reason": reason or "none"},
    )


def _check(look_at: Callable[[Work], Finding]) -> dg.AssetChecksDefinition:
    """A check of what one of sharing's own looks at says of the partition's job."""

    @dg.asset_check(asset=shared_records, name=look_at.__name__, description=look_at.__doc__, partitions_def=share_jobs)
    def check(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        with open_share(pipeline.settings(), context.partition_key) as share:
            if not is_prepared(share.connection):
                return dg.AssetCheckResult(passed=True, metadata={"copies": 0})
            layout = read_layout(share.connection)
            found = look_at(Work(share.connection, share.job, 0, layout, share.media))
        samples = pl.DataFrame({"sample": found.samples}, schema={"sample": pl.String()})
        return dg.AssetCheckResult(
            passed=found.passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={**found.numbers, "samples": markdown_table(samples), "remedy": found.remedy},
        )

    return check


of_copies = [_check(look_at) for look_at in CHECKS]


@dg.asset_check(asset=shared_records, partitions_def=share_jobs)
def no_operation_failed(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Every operation of the job's newest plan is done, waits for a person, or needs nothing. Else read the reason, and launch it again."""
    newest = engine.plans_frame(pipeline.database(), f"{FAMILY}:{context.partition_key}").head(1)
    partly = newest.filter(pl.col("status").is_in(["partly", "stopped"]))
    return dg.AssetCheckResult(
        passed=partly.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata={"plan": markdown_table(partly)}
    )
