"""What a Prefect server needs for the flows: work pools, queues and limits, as data, and a command that applies it."""
