"""The partitions, each named once."""

import dagster as dg

ingest_batches = dg.DynamicPartitionsDefinition(name="ingest_batches")
"""Units of work: some hundred to some thousand files whose content is new or changed. Keys sort by time."""

capture_months = dg.MonthlyPartitionsDefinition(start_date="2025-01-01")
"""Months of the audit: the audit of a month reads again every file that was taken in that month of any year."""
