from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.engine.server_log import ServerLog, tail


@contextmanager
def opened(path: Path, max_bytes: int) -> Generator[ServerLog]:
    log = ServerLog(path, max_bytes=max_bytes)
    try:
        yield log
    finally:
        log.close()


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=60))
def test_the_log_is_bounded_and_its_end_is_kept(chunks: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        with opened(path, 100) as log:
            for chunk in chunks:
                log.write(chunk)
        files = [path.with_name("server.log.1"), path]
        kept = b"".join(file.read_bytes() for file in files if file.exists())
        assert {file.name for file in Path(folder).iterdir()} <= {file.name for file in files}
        assert all(file.stat().st_size <= 100 for file in files if file.exists())
        assert b"".join(chunks).endswith(kept)
        assert len(kept) >= min(60, len(b"".join(chunks)))


def test_an_earlier_log_is_continued(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        with opened(tmp_path / "log", 1_000) as log:
            log.write(text)
    assert tail(tmp_path / "log") == "first\nsecond"


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("\n".join(f"line {number}" for number in range(10_000)))
    assert tail(path, lines=2) == "line 9998\nline 9999"


def test_the_tail_of_no_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ""


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with opened(tmp_path / "log", 100) as log:
        log.note("hello")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
