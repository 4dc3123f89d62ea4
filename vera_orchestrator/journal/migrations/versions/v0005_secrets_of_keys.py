"""Which named secrets a key may use. Keys from before may use all, as they could."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a column; its default is also for keys that a process of the older version makes meanwhile."""
    op.add_column("api_keys", sa.Column("secrets", sa.Text, nullable=False, server_default="*"))
