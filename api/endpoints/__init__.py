"""The routes, one module per resource."""

from api.paths import know_ids

know_ids()
