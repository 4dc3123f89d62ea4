"""One file per kind of worker, and the registry."""
