"""Numbers and texts that all implementations of the journal share."""

FORGOTTEN_SPEC = "{}"
"""The `spec` of a task whose payload is not kept."""

LARGE_RESULT = 32 * 1024
"""Characters above which a result is large, and kept where it does not slow down scans of tasks."""
