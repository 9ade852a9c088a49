"""What a person may want to see to about captures."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Forward only: there is no way down."""
    op.execute(
        """CREATE TABLE captures.finding (
            asset_id uuid NOT NULL,
            finding text NOT NULL,
            detail text NOT NULL,
            PRIMARY KEY (asset_id, finding, detail))"""
    )
