"""The ledger: what each attempt used, running sums of it, levels of rates; and answers that are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables; those that are there already stay as they are."""
    op.create_table(
        "usage",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("task", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Integer, nullable=False),
        sa.Column("worker_id", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("input", sa.BigInteger),
        sa.Column("output", sa.BigInteger),
        sa.Column("cache_read", sa.BigInteger),
        sa.Column("cache_write", sa.BigInteger),
        sa.Column("reasoning", sa.BigInteger),
        sa.Column("estimated", sa.Boolean),
        sa.Column("scopes", sa.Text, nullable=False),
    )
    is_open = sa.text("state = 'reserved'")
    op.create_index("ix_usage_reserved", "usage", ["owner"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_index("ix_usage_at", "usage", ["at"])
    op.create_index("ix_usage_task", "usage", ["task"])
    op.create_table(
        "usage_sums",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("width", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rate_levels",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("ix_answers_at", "answers", ["at"])
