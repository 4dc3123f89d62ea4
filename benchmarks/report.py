"""The table as text for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.findings import Findings
from benchmarks.plan import Plan, Subject
from benchmarks.rows import PEERS, RATIO, Row, rows

BEGIN = "<!-- figures: written by `python -m benchmarks --write-readme` -->"
END = "<!-- end of figures -->"
TITLES = {
    Subject.CELERY: "Celery",
    Subject.PREFECT_DELAY: "Prefect .delay()",
    Subject.PREFECT_FLOW: "Prefect in a flow",
    Subject.BARE: "bare bwrap",
}
HEADINGS = ["", "unit", "this project", *(TITLES[peer] for peer in PEERS), "goal", "reached"]


def cells(row: Row) -> list[str]:
    """Return the texts of one line; behind a peer's value stands ours divided by it."""
    ours = row.values.get(Subject.OURS)
    texts = [row.what, row.unit, _number(ours)]
    for peer in PEERS:
        theirs = row.values.get(peer)
        divided = f" ({_number(ours / theirs)})" if ours is not None and theirs and row.unit != RATIO else ""
        texts.append(_number(theirs) + divided)
    return [*texts, _goal(row), {True: "yes", False: "NO", None: ""}[row.reached]]


def terminal_table(findings: Findings) -> Table:
    """Return the table for a terminal."""
    table = Table(*HEADINGS)
    for row in rows(findings):
        table.add_row(*cells(row), style="red" if row.reached is False else None)
    return table


def markdown(plan: Plan, findings: Findings) -> str:
    """Return the table as Markdown, with the machine above and the notes below."""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, `{plan.name}` run, {machine_text()}.",
        "In brackets: this project divided by the peer.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"| --- | --- |{' ---: |' * (len(HEADINGS) - 3)} --- |",
        *(f"| {' | '.join(cells(row))} |" for row in rows(findings)),
        "",
        *(f"- {note}" for note in findings.notes),
    ]
    return "\n".join(lines)


def write_readme(path: Path, block: str) -> None:
    """Replace the figures of this benchmark; see `replace_block`."""
    replace_block(path, BEGIN, END, block)


def replace_block(path: Path, begin: str, end: str, block: str) -> None:
    """Replace what stands between two markers; raises ValueError where they are missing."""
    before, found_begin, rest = path.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} lacks the markers {begin} and {end}.")
    path.write_text(f"{before}{begin}\n{block}\n{end}{after}")


def as_json(plan: Plan, findings: Findings) -> dict[str, Any]:
    """Return everything that the run found."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan.name,
        "machine": machine(),
        "rows": [
            {
                "what": row.what,
                "unit": row.unit,
                "values": {str(subject): value for subject, value in row.values.items()},
                "goal": _goal(row) or None,
                "reached": row.reached,
            }
            for row in rows(findings)
        ],
        "samples": findings.to_dict(),
        "notes": findings.notes,
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processors, memory, and versions."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processors": len(cpus),
        "processor": cpus[0].partition(":")[2].strip() if cpus else platform.machine(),
        "memory_gb": round(memory_kb * 1024 / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "prefect": version("prefect"),
    }


def machine_text() -> str:
    """Return the machine in one line."""
    facts = machine()
    return (
        f"{facts['processors']} processors ({facts['processor']}), {facts['memory_gb']} GB, Linux {facts['kernel']}, "
        f"Python {facts['python']}, Prefect {facts['prefect']}"
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    limit = f"{row.goal.limit:,g}"
    if row.goal.beside is not None:
        return f"{row.goal.bound} {limit} times {TITLES[row.goal.beside]}"
    return f"{row.goal.bound} {limit}" + ("" if row.unit == RATIO else f" {row.unit}")
