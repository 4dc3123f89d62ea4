"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    _tasks()
    op.create_table(
        "results",
        sa.Column("task", _key, primary_key=True, autoincrement=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("key", _key, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("submitted_at", sa.Float, nullable=False),
        sa.Column("completed_at", sa.Float),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("flow_run_id", sa.String),
    )
    op.create_index("ix_batches_id", "batches", ["id"])
    op.create_table(
        "owners",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("alive_file", sa.String),
        sa.Column("lease_until", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "workers",
        sa.Column("owner", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("worker_id", sa.String, primary_key=True),
        sa.Column("capabilities", sa.Text, nullable=False),
    )
    op.create_table(
        "slots",
        sa.Column("task", _key, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("owner", sa.Integer, nullable=False),
    )
    op.create_index("ix_slots_name", "slots", ["name"])


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("key", _key, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("batch", sa.BigInteger),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("submitted_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("completed_at", sa.Float),
        sa.Column("due_at", sa.Float),
        sa.Column("retry_count", sa.Integer, nullable=False),
        sa.Column("owner", sa.Integer),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("worker_id", sa.String),
        sa.Column("exhausted", sa.Boolean, nullable=False),
        sa.Column("idempotency_key", sa.String),
        sa.Column("body_hash", sa.String),
        sa.Column("store", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
    )
    completed_at = sa.column("completed_at", sa.Float)
    unfinished = completed_at.is_(None)
    finished = completed_at.is_not(None)
    _partial("uq_tasks_unfinished_id", "id", where=unfinished, unique=True)
    _partial("ix_tasks_unfinished_owner", "owner", "key", where=unfinished)
    _partial("ix_tasks_finished_status", "status", "key", "completed_at", where=finished)
    _partial("ix_tasks_finished_at", "completed_at", "key", where=finished)
    _partial("ix_tasks_exhausted", "key", where=sa.column("exhausted").is_(True))
    _partial("ix_tasks_batch", "batch", "position", where=sa.column("batch").is_not(None))
    _partial("ix_tasks_idempotency_key", "idempotency_key", where=sa.column("idempotency_key").is_not(None))
    op.create_index("ix_tasks_id", "tasks", ["id", "key"])


def _partial(name: str, *columns: str, where: sa.ColumnElement[bool], unique: bool = False) -> None:
    op.create_index(name, "tasks", list(columns), unique=unique, sqlite_where=where, postgresql_where=where)
