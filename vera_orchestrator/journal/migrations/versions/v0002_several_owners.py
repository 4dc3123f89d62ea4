"""What several owners tell each other: requests to cancel, workers that can be reached, whose key seals secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a table and columns."""
    op.create_table(
        "cancellations",
        sa.Column("task", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.add_column("owners", sa.Column("seal", sa.String))
    op.add_column("workers", sa.Column("reachable", sa.Boolean, nullable=False, server_default=sa.true()))
