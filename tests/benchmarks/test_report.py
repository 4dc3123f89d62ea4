"""How the benchmarks' findings are written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.findings import Findings
from benchmarks.plan import QUICK, Subject
from benchmarks.report import BEGIN, END, HEADINGS, as_json, cells, markdown, write_readme
from benchmarks.rows import rows


@pytest.fixture
def findings() -> Findings:
    found = Findings()
    found.add("latency", Subject.OURS, [0.5])
    found.add("latency", Subject.CELERY, [2.0])
    found.notes.append("A note.")
    return found


def test_a_peers_cell_shows_its_value_and_ours_divided_by_it(findings: Findings) -> None:
    line = dict(zip(HEADINGS, cells(rows(findings)[0]), strict=True))

    assert line["this project"] == "0.50"
    assert line["Celery"] == "2.00 (0.25)"
    assert line["Prefect .delay()"] == "-"
    assert line["goal"] == "≤ 0.5 times Celery"
    assert line["reached"] == "yes"


def test_a_small_ratio_keeps_two_digits() -> None:
    found = Findings()
    found.add("latency", Subject.OURS, [0.45])
    found.add("latency", Subject.PREFECT_DELAY, [100.0])

    line = dict(zip(HEADINGS, cells(rows(found)[0]), strict=True))

    assert line["Prefect .delay()"] == "100 (0.0045)"


def test_every_line_of_the_markdown_table_has_all_columns(findings: Findings) -> None:
    lines = [line for line in markdown(QUICK, findings).splitlines() if line.startswith("|")]

    assert len(lines) == 2 + len(rows(findings))
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}


def test_json_keeps_values_unrounded_and_says_how_many_samples(findings: Findings) -> None:
    found = as_json(QUICK, findings)

    assert found["rows"][0]["values"] == {"ours": 0.5, "celery": 2.0}
    assert found["rows"][0]["reached"] is True
    assert found["samples"]["latency"]["celery"]["samples"] == 1
    assert found["notes"] == ["A note."]


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_readme(readme, "new")
    write_readme(readme, "newer")

    assert readme.read_text() == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"


def test_a_readme_without_markers_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no markers\n")

    with pytest.raises(ValueError, match="lacks the markers"):
        write_readme(readme, "new")

    assert readme.read_text() == "no markers\n"


def test_the_projects_own_readme_has_the_markers() -> None:
    text = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text()

    assert text.count(BEGIN) == 1
    assert text.count(END) == 1
