"""PostgreSQL, Redis and Docker Engine for the tests, on loopback.

`python -m tests.services start|stop|status|remove`
"""
