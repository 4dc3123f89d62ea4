from vera_orchestrator.fairness import Callers


def test_a_caller_keeps_its_turn_while_it_has_nothing_waiting() -> None:
    callers = Callers()
    caller = callers.hold("a")
    callers.serve(caller)
    callers.let_go(caller)
    assert callers.hold("a").turn == 1


def test_turns_grow_with_every_service() -> None:
    callers = Callers()
    first, second = callers.hold("a"), callers.hold("b")
    callers.serve(first)
    callers.serve(second)
    callers.serve(first)
    assert (second.turn, first.turn) == (2, 3)


def test_of_idle_callers_only_the_last_are_remembered() -> None:
    callers = Callers(remembered=3)
    busy = callers.hold("busy")
    callers.serve(busy)
    for number in range(100):
        caller = callers.hold(str(number))
        callers.serve(caller)
        callers.let_go(caller)
    assert len(callers) == 4
    assert callers.hold("busy").turn == 1
    assert callers.hold("99").turn == 101
    assert callers.hold("0").turn == 0


def test_a_caller_that_was_never_served_is_not_remembered() -> None:
    callers = Callers()
    callers.let_go(callers.hold("a"))
    assert len(callers) == 0


def test_a_caller_held_twice_is_one_caller() -> None:
    callers = Callers()
    first, second = callers.hold(None), callers.hold(None)
    assert first is second
    callers.let_go(first)
    assert callers.hold(None) is second
