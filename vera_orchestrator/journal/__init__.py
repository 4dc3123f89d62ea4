"""The durable record of tasks, batches, workers and owners."""
