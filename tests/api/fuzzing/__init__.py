"""Fuzzing of all routes."""
