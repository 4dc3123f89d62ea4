"""Who calls: keys, what they did, whose task and use it is; and what is to be told to addresses of theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns and tables; what is there already stays as it is."""
    op.add_column("tasks", sa.Column("caller", sa.String))
    named = sa.text("caller IS NOT NULL")
    op.create_index("ix_tasks_caller", "tasks", ["caller", "key"], sqlite_where=named, postgresql_where=named)
    op.add_column("usage", sa.Column("caller", sa.String))
    op.add_column("usage", sa.Column("tags", sa.Text))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
        sa.Column("rate_per_minute", sa.Integer),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("limits", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("caller", sa.String),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered_at", sa.Float),
        sa.Column("error", sa.Text),
    )
    op.create_index("ix_deliveries_subject", "deliveries", ["subject"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_deliveries_due", "deliveries", ["due_at"], sqlite_where=due, postgresql_where=due)
