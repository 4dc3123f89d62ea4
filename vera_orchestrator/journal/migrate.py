"""Brings the schema of a database up to date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.backend import Backend
from vera_orchestrator.journal.schema import HEAD

MIGRATIONS = Path(__file__).with_name("migrations")


def bring_up_to_date(engine: Engine, backend: Backend, *, folder: Path = MIGRATIONS, head: str = HEAD) -> None:
    """Run the migrations of a folder, up to its newest, that are missing, in one transaction.

    Safe when several processes do it at once. Raises JournalUnavailable for a schema of a newer version.
    """
    with engine.connect() as connection:
        with backend.patience(connection):
            is_current = _revision(connection) == head
        if is_current:
            return
        upgrade = prepared_upgrade(folder)
        connection.rollback()
        backend.script(connection, *backend.beginning_of_migration())
        revision = _revision(connection)  # another process may have done it by now
        if revision != head:
            upgrade(connection, revision)
        connection.commit()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def prepared_upgrade(folder: Path) -> Callable[[Connection, str | None], None]:
    """Return what runs the migrations of a folder from a revision on, ready to go: others wait while it does."""
    # Alembic takes a while to import, and an up-to-date database does not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}

    def upgrade(connection: Connection, revision: str | None) -> None:
        if revision is not None and revision not in known:
            raise JournalUnavailable(
                f"The database has schema {revision!r}, and this version knows up to {HEAD!r}.",
                remedy="Install the version of vera-orchestrator that wrote it, or set database_url to another one.",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    return upgrade
