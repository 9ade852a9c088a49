"""In which stack each asset is, asked through the API in portions.

A search does not tell, and the list of all stacks has no pages: a server with very many cannot send it. But a search can leave out
everything that is stacked. What it leaves out is asked for one by one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import polars as pl

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import NotFound
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.immich.search import SearchQuery, id_bytes
from immich_pipeline.sources.ahead import ahead
from immich_pipeline.sources.immich.rows import counts_in_stacks

STACK_SCHEMA: dict[str, pl.DataType] = {"stack_id": pl.String(), "primary_asset_id": pl.String()}
"""One row per stack."""

_TOLD_SCHEMA: dict[str, pl.DataType] = {
    name: RECORD_SCHEMA[name] for name in ("asset_id", "stack_id", "stack_primary_id")
}
_Told = tuple[str, str | None, str | None]


class StacksByAsset:
    """Tells the stacks of one user's assets, page by page."""

    def __init__(self, client: ImmichClient, queries: Iterable[SearchQuery], began: datetime, threads: int) -> None:
        """Search for what is in no stack.

        Args:
            client: the user's.
            queries: the searches that the assets will come from.
            began: by the server's clock, before this: what changed since may be stacked by now, whatever the search says.
            threads: how many assets are asked for at once.

        Raises:
            ImmichError: the search failed.
        """
        self._client, self._began, self._threads = client, began, threads
        loose = [replace(query, with_stacked=False, with_exif=False) for query in queries]
        self._loose = {one for query in loose for page in client.search(query) for one in id_bytes(page)}
        self._found: dict[str, str] = {}

    @property
    def found(self) -> pl.DataFrame:
        """The stacks of the assets so far (`STACK_SCHEMA`)."""
        return pl.DataFrame(sorted(self._found.items()), schema=STACK_SCHEMA, orient="row")

    def of(self, records: pl.DataFrame) -> pl.DataFrame:
        """The records (`RECORD_SCHEMA`) with their stacks; one that went away meanwhile has none.

        Raises:
            ImmichError: an asset could not be asked for.
        """
        told = list(ahead(self._told, self._stacked(records), self._threads))
        self._found |= {stack: primary for _, stack, primary in told if stack is not None and primary is not None}
        stacks = pl.DataFrame(told, schema=_TOLD_SCHEMA, orient="row")
        unstacked = records.drop("stack_id", "stack_primary_id")
        return unstacked.join(stacks, on="asset_id", how="left", maintain_order="left").select(RECORD_SCHEMA.keys())

    def _stacked(self, records: pl.DataFrame) -> list[str]:
        """The assets to ask for."""
        is_loose = pl.Series([one in self._loose for one in id_bytes(records)], dtype=pl.Boolean)
        began = self._began.replace(microsecond=0)  # the clock was read to the second
        return records.filter(counts_in_stacks() & (~is_loose | (pl.col("updated_at") >= began)))["asset_id"].to_list()

    def _told(self, asset_id: str) -> _Told:
        try:
            record = self._client.asset_record(asset_id)
        except NotFound:
            return asset_id, None, None
        stack_id, primary = record.select("stack_id", "stack_primary_id").row(0)
        return asset_id, stack_id, primary
