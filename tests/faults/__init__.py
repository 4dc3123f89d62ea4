"""Seeded faults against real processes: `python -m tests.faults --database sqlite --seeds 0-9`.

A *plan* says which orchestrator, or database, is killed, paused, cut off or restarted when. A *load* says what is
submitted, cancelled and waited for by whom. Both follow from a seed alone; how things interleave does not. Afterwards
only invariants are checked, on the journal and on what every process wrote down while it lived.
"""
