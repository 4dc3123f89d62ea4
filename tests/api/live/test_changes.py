"""The log of changes, from which each reader gets the latest of what it has not seen."""

from __future__ import annotations

from api.live.changes import PAGE_BYTES, About, ChangeLog, View

NOBODY = About()
EVERYTHING = View()


def log_of(*keys: str, most: int = 100) -> ChangeLog:
    log = ChangeLog(most)
    for key in keys:
        log.put(key, f"{key}{log.version}".encode(), NOBODY)
    return log


def read(log: ChangeLog, cursor: int, view: View = EVERYTHING) -> tuple[list[bytes | None], int]:
    page = log.page(cursor, view)
    assert page.cursor == log.version
    return [change.text for change in page.changes], page.dropped


def test_a_reader_gets_once_what_has_changed_twice() -> None:
    log = log_of("a", "b", "a")
    assert read(log, 0) == ([b"b1", b"a2"], 0)
    assert read(log, 2) == ([b"a2"], 0)
    assert read(log, 3) == ([], 0)


def test_what_is_too_much_is_lost_from_the_old_end_and_counted() -> None:
    log = log_of("a", "b", "c", "d", most=2)
    assert read(log, 0) == ([b"c2", b"d3"], 2)
    assert read(log, 1) == ([b"c2", b"d3"], 1)
    assert read(log, 2) == ([b"c2", b"d3"], 0)


def test_bytes_are_bounded_too() -> None:
    log = ChangeLog(100, most_bytes=10)
    for key in "abc":
        log.put(key, b"12345", NOBODY)
    assert read(log, 0) == ([b"12345"] * 2, 1)


def test_a_reader_is_told_of_losses_only_once_and_only_of_its_own() -> None:
    log = ChangeLog()
    log.lose(About(caller="me"))
    log.lose(About(caller="you"))
    assert read(log, 0) == ([], 2)
    mine = View(sees_all=False, caller="me")
    page = log.page(0, mine)
    assert (page.dropped, log.page(page.cursor, mine).dropped) == (1, 0)


def test_much_comes_in_pages() -> None:
    log = ChangeLog()
    for key in "abc":
        log.put(key, b"x" * (PAGE_BYTES // 2), NOBODY)
    first = log.page(0, EVERYTHING)
    assert [change.key for change in first.changes] == ["a", "b"]
    second = log.page(first.cursor, EVERYTHING)
    assert [change.key for change in second.changes] == ["c"]
    assert second.cursor == log.version


def test_what_is_larger_than_a_page_has_one_of_its_own() -> None:
    log = ChangeLog()
    for key in "ab":
        log.put(key, b"x" * 2 * PAGE_BYTES, NOBODY)
    page = log.page(0, EVERYTHING)
    assert [change.key for change in page.changes] == ["a"]
    assert [change.key for change in log.page(page.cursor, EVERYTHING).changes] == ["b"]


def test_a_reader_gets_only_what_it_may_see_and_asked_for() -> None:
    log = ChangeLog()
    log.put("1", b"1", About("me", "b", "1"))
    log.put("2", b"2", About("you", "b", "2"))
    log.put("3", b"3", About("me", None, "3"))
    assert read(log, 0, View(sees_all=False, caller="me"))[0] == [b"1", b"3"]
    assert read(log, 0, View(sees_all=False, caller=None))[0] == []
    assert read(log, 0, View(batch_id="b"))[0] == [b"1", b"2"]
    assert read(log, 0, View(sees_all=False, caller="me", batch_id="b"))[0] == [b"1"]
    assert read(log, 0, View(task_id="3"))[0] == [b"3"]


def test_what_everybody_has_is_forgotten() -> None:
    log = log_of("a", "b", "c", most=2)
    log.forget(2)
    assert len(log) == 1
    assert read(log, 0) == ([b"c2"], 0)
