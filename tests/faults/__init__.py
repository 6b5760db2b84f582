"""Hostile inputs, kills, two runs at once and full disks: what ganaug must survive. ``python -m tests.faults``."""
