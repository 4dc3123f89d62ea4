"""The namespace of the specified import surface."""
