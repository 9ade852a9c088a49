"""The sets that decisions are about: those found, or what is identical in them."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Forward only: there is no way down. Until it is decided anew, decisions are about the sets as they were found."""
    op.execute("CREATE TABLE duplicates.decided_set (LIKE duplicates.set_member INCLUDING ALL)")
    op.execute("INSERT INTO duplicates.decided_set SELECT * FROM duplicates.set_member")
