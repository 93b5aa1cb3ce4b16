"""Statistics of ablations and searches: pure functions from rows to numbers and words."""
