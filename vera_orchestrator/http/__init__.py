"""HTTP to targets that a task names: the address rules, a client that keeps them, and the reading of answers."""
