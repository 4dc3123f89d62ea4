"""What changes, as it changes: the status over a WebSocket, one task over server-sent events."""
