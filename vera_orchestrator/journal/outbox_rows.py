"""Messages of the outbox as rows of a database; the same for every store."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping

from vera_orchestrator.journal import storable
from vera_orchestrator.journal.outbox import Delivery

NAMES = tuple(field.name for field in fields(Delivery))


def delivery_values(delivery: Delivery) -> dict[str, Any]:
    """Return the columns of a message; raises InvalidValue, naming the field, unless it can be stored."""
    values = {name: getattr(delivery, name) for name in NAMES}
    storable.check(values)
    return values


def delivery_row(row: RowMapping) -> Delivery:
    """Return the message of a row that was selected with all columns."""
    columns: dict[str, Any] = dict(row)
    return Delivery(**columns)
