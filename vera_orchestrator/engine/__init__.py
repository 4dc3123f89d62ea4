"""The only place that knows Prefect: the embedded server, host flows, carriers and limits."""
