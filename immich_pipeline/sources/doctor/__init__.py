"""What of the settings will work: settings, folders, server, keys, database, mounts, sampled files, and what follows from them."""

from immich_pipeline.sources.doctor.report import Feature, Finding, Report, as_json, as_table
from immich_pipeline.sources.doctor.run import cheap_findings, run_doctor, settings_report

__all__ = [
    "Feature",
    "Finding",
    "Report",
    "as_json",
    "as_table",
    "cheap_findings",
    "run_doctor",
    "settings_report",
]
