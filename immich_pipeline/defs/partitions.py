"""The partitions, each named once."""

import dagster as dg

ingest_batches = dg.DynamicPartitionsDefinition(name="ingest_batches")
"""Units of work: some hundred to some thousand files whose content is new or changed. Keys sort by time."""

share_jobs = dg.DynamicPartitionsDefinition(name="share_jobs")
"""The jobs of the settings' part `sharing`, by name: one user's photos in another's library."""

capture_months = dg.MonthlyPartitionsDefinition(start_date="2025-01-01")
"""Months of the audit: the audit of a month reads again every file that was taken in that month of any year."""
