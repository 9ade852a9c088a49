"""Where two pictures agree least."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Forward only: there is no way down."""
    for table in ("look", "verified_pair"):
        op.execute(f"ALTER TABLE duplicates.{table} ADD COLUMN spot real, ADD COLUMN tint real")
