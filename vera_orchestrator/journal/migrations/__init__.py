"""Migrations of the SQL journal, run by `vera_orchestrator.journal.migrate`."""
