"""`vera doctor`: what is there, what is missing, and how to get it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from api.command.exits import Exit
from api.command.options import PLAIN, Output
from api.command.output import console, error_console, print_json

if TYPE_CHECKING:
    from api.command.checks.finding import Finding

MARKS = {"ok": "[green]✓[/]", "missing": "[yellow]○[/]", "broken": "[red]✗[/]"}


def doctor(*, output: Output = PLAIN) -> int:
    """Say what is there, what is missing and how to get it; exit status 1 if something must be mended."""
    import asyncio

    from api.command.checks.examination import examine
    from api.command.checks.finding import State

    with error_console().status("Looking ..."):
        findings = asyncio.run(examine())
    is_well = all(finding.state is not State.BROKEN for finding in findings)
    if output.json:
        print_json({"ok": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    return Exit.OK if is_well else Exit.FAILED


def _show(findings: Sequence[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        remedy = f"\n[cyan]{escape(finding.remedy)}[/]" if finding.remedy else ""
        table.add_row(MARKS[finding.state], escape(finding.name), f"{escape(finding.words)}{remedy}")
    console().print(table)
    broken = sum(finding.state == "broken" for finding in findings)
    missing = sum(finding.state == "missing" for finding in findings)
    console().print(
        f"[red]{broken} to be mended.[/]" if broken else f"Nothing is broken; {missing} things could be added."
    )
