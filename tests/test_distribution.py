from __future__ import annotations

from pathlib import Path

import pytest

from tests.distribution import HARMFUL, LONGEST, WHOLE, place_of, unit_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted({*LONGEST, *WHOLE, *HARMFUL}))
def test_what_is_named_is_there(name: str) -> None:
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()


def test_files_that_share_a_server_stay_together() -> None:
    assert unit_of("tests/engine/test_lanes.py::test_a") == unit_of("tests/engine/test_hosts.py::TestB::test_b")


def test_those_that_harm_servers_stay_together_by_themselves() -> None:
    units = {unit_of(f"{name}::test_a") for name in HARMFUL}
    assert len(units) == 1
    assert units.isdisjoint({unit_of("tests/engine/test_lanes.py::test_a")})


def test_other_files_go_to_whichever_process_is_free() -> None:
    assert unit_of("tests/api/test_app.py::TestA::test_a") == "tests/api/test_app.py"
    assert unit_of("tests/api/test_app.py::test_a[x::y]") != unit_of("tests/api/test_body.py::test_a")


def test_what_takes_longest_comes_first() -> None:
    slow, slower = f"{LONGEST[1]}test_a.py::test_a", f"{LONGEST[0]}test_z.py::test_z"
    ids = ["tests/test_graph.py::test_a", slow, slower]
    assert sorted(ids, key=place_of) == [slower, slow, "tests/test_graph.py::test_a"]
