"""How long a server keeps what is put into its trash."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Forward only: there is no way down. Days; 0: the trash is switched off; null: not known."""
    op.execute("ALTER TABLE library.source ADD COLUMN trash_days integer CHECK (trash_days >= 0)")
