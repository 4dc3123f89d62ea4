"""Suites that every implementation of a port must pass.

Each is a base class of tests; an implementation subclasses it and says how it is made.
"""

import pytest

pytest.register_assert_rewrite(
    "tests.conformance.journal_tasks",
    "tests.conformance.journal_owners",
    "tests.conformance.journal_slots",
    "tests.conformance.journal_upkeep",
    "tests.conformance.journal_reading",
    "tests.conformance.journal_cancelling",
    "tests.conformance.journal_values",
    "tests.conformance.ledger_deciding",
    "tests.conformance.ledger_settling",
    "tests.conformance.ledger_reading",
    "tests.conformance.ledger_histories",
    "tests.conformance.llm_answers",
    "tests.conformance.llm_streams",
    "tests.conformance.llm_trouble",
)
