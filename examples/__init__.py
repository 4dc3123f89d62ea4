"""Programs that use the orchestrator."""
