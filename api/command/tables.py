"""Tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table


def plain_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    wide: str | None = None,
    folds: bool = False,
) -> Table:
    """Return a table without lines; `right` are columns of numbers, `wide` is the one that is cut where space lacks."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=wide is not None)
    for column in columns:
        if column == wide:
            table.add_column(column, no_wrap=not folds, overflow="fold" if folds else "ellipsis", ratio=1)
        else:
            table.add_column(column, no_wrap=True, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*row)
    return table
