"""The tables of the SQL journal.

Every index costs on each insert, so most are partial: the ones over unfinished rows stay as small as the load.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    literal_column,
    true,
)

HEAD = "0005"
"""The revision of the migrations that these tables match."""

metadata = MetaData()

# SQLite only makes a column the row's own address if its type is spelled INTEGER.
_Key = BigInteger().with_variant(Integer(), "sqlite")

tasks = Table(
    "tasks",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False),
    Column("batch", BigInteger),
    Column("position", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("started_at", Float),
    Column("completed_at", Float),
    Column("due_at", Float),
    Column("retry_count", Integer, nullable=False),
    Column("owner", Integer),
    Column("fence", Integer, nullable=False),
    Column("worker_id", String),
    Column("exhausted", Boolean, nullable=False),
    Column("idempotency_key", String),
    Column("body_hash", String),
    Column("store", Boolean, nullable=False),
    # Wide columns come last: SQLite finds the others without reading past them.
    Column("error", Text),
    Column("spec", Text, nullable=False),
    Column("result", Text),
    # What a migration adds stands at the end.
    Column("caller", String),
)

unfinished = tasks.c.completed_at.is_(None)
finished = tasks.c.completed_at.is_not(None)
is_exhausted = tasks.c.exhausted.is_(True)


def _partial(name: str, *columns: Column[object], where: object, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_partial("uq_tasks_unfinished_id", tasks.c.id, where=unfinished, unique=True)
_partial("ix_tasks_unfinished_owner", tasks.c.owner, tasks.c.key, where=unfinished)
# The last column is there so that counting reads nothing but the index.
_partial("ix_tasks_finished_status", tasks.c.status, tasks.c.key, tasks.c.completed_at, where=finished)
_partial("ix_tasks_finished_at", tasks.c.completed_at, tasks.c.key, where=finished)
_partial("ix_tasks_exhausted", tasks.c.key, where=is_exhausted)
_partial("ix_tasks_caller", tasks.c.caller, tasks.c.key, where=tasks.c.caller.is_not(None))
_partial("ix_tasks_batch", tasks.c.batch, tasks.c.position, where=tasks.c.batch.is_not(None))
_partial("ix_tasks_idempotency_key", tasks.c.idempotency_key, where=tasks.c.idempotency_key.is_not(None))
Index("ix_tasks_id", tasks.c.id, tasks.c.key)

results = Table(
    "results",
    metadata,
    Column("task", _Key, primary_key=True, autoincrement=False),
    Column("result", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, index=True),
    Column("options", Text, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("completed_at", Float),
    Column("status", String, nullable=False),
    Column("flow_run_id", String),
)

owners = Table(
    "owners",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("alive_file", String),
    Column("lease_until", Float, nullable=False),
    Column("seal", String),
    sqlite_autoincrement=True,  # a number is never given twice
)

workers = Table(
    "workers",
    metadata,
    Column("owner", Integer, primary_key=True, autoincrement=False),
    Column("worker_id", String, primary_key=True),
    Column("capabilities", Text, nullable=False),
    Column("reachable", Boolean, nullable=False, server_default=true()),
)

slots = Table(
    "slots",
    metadata,
    Column("task", _Key, primary_key=True, autoincrement=False),
    Column("name", String, primary_key=True, index=True),
    Column("owner", Integer, nullable=False),
)

cancellations = Table(
    "cancellations",
    metadata,
    Column("task", _Key, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("task", BigInteger, nullable=False, index=True),
    Column("owner", Integer, nullable=False),
    Column("worker_id", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger),
    # What was reported, if anything was.
    Column("input", BigInteger),
    Column("output", BigInteger),
    Column("cache_read", BigInteger),
    Column("cache_write", BigInteger),
    Column("reasoning", BigInteger),
    Column("estimated", Boolean),
    Column("scopes", Text, nullable=False),
    Column("caller", String),
    Column("tags", Text),
)
# A literal, as a plan that is kept for any value of a parameter cannot use the index.
is_reserved = usage.c.state == literal_column("'reserved'")

_partial("ix_usage_reserved", usage.c.owner, where=is_reserved)
Index("ix_usage_at", usage.c.at)

usage_sums = Table(
    "usage_sums",
    metadata,
    Column("scope", String, primary_key=True),
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)

rate_levels = Table(
    "rate_levels",
    metadata,
    Column("name", String, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Float, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("result", Text, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("rate_per_minute", Integer),
    Column("weight", Float, nullable=False),
    Column("limits", Text, nullable=False),
    Column("secrets", Text, nullable=False, server_default="*"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("caller", String),
    Column("action", String, nullable=False),
    Column("target", String),
    Column("status", Integer, nullable=False),
    Column("detail", Text),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", _Key, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("secret", Text),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float),
    Column("attempts", Integer, nullable=False),
    Column("delivered_at", Float),
    Column("error", Text),
)
# What is delivered or given up has no time at which it is due.
_partial("ix_deliveries_due", deliveries.c.due_at, where=deliveries.c.due_at.is_not(None))
