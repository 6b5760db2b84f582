"""``ganaug check``: which images are unlike the others, and which labels look wrong."""
