"""Ids in paths: `{task_id:id}` is any text, slashes included, that is not the rest of another route's path."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

ACTIONS = ("cancel", "retry", "events", "drain", "resume", "register")
"""What may follow an id, or stand below a name."""
NAMES = ("submit", "execute", "history", "list")
"""What may stand where an id does."""


class IdConvertor(Convertor[str]):
    """An id, which may hold slashes."""

    regex = f"(?:(?!(?:{'|'.join(NAMES)})$)[^/]+|.*/(?!(?:{'|'.join(ACTIONS)})$)[^/]*)"

    def convert(self, value: str) -> str:
        """Return the id as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the id as it is."""
        return value


def know_ids() -> None:
    """Let paths be written so; to be called before the routes are made."""
    register_url_convertor("id", IdConvertor())
