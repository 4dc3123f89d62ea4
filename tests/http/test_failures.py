"""Every error of httpx becomes one of ours."""

import inspect

import httpx
import pytest

from vera_orchestrator.errors import InvalidPayload, TaskFailed, TaskTimeout
from vera_orchestrator.http.failures import CAUGHT, FAILURES, failure_of


def _errors_of_httpx() -> set[type[Exception]]:
    public = (getattr(httpx, name) for name in httpx.__all__)
    return {item for item in public if inspect.isclass(item) and issubclass(item, Exception)}


def test_every_error_of_httpx_is_in_the_table() -> None:
    assert _errors_of_httpx() - FAILURES.keys() == set()
    assert len(_errors_of_httpx()) > 20


def test_every_error_of_httpx_is_caught() -> None:
    assert {error for error in _errors_of_httpx() if not issubclass(error, CAUGHT)} == set()


@pytest.mark.parametrize(
    ("cause", "error", "transient", "unsent"),
    [
        (httpx.ConnectError("x"), TaskFailed, True, True),
        (httpx.ConnectTimeout("x"), TaskTimeout, True, True),
        (httpx.ReadTimeout("x"), TaskTimeout, True, False),
        (httpx.ReadError("x"), TaskFailed, True, False),
        (httpx.RemoteProtocolError("x"), TaskFailed, True, False),
        (httpx.InvalidURL("x"), InvalidPayload, False, True),
        (httpx.TooManyRedirects("x"), TaskFailed, False, False),
    ],
)
def test_an_error_says_what_it_is_and_whether_it_may_pass(
    cause: Exception, error: type[Exception], transient: bool, unsent: bool
) -> None:
    failure = failure_of(cause)
    assert (failure.error, failure.transient, failure.unsent) == (error, transient, unsent)


def test_a_later_subclass_is_treated_like_its_parent() -> None:
    class Newer(httpx.ReadTimeout):
        pass

    assert failure_of(Newer("x")) == failure_of(httpx.ReadTimeout("x"))


def test_an_error_of_somebody_else_is_not_translated() -> None:
    with pytest.raises(KeyError, match="ZeroDivisionError"):
        failure_of(ZeroDivisionError())
