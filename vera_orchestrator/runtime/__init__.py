"""The life of a task, one step per module."""
