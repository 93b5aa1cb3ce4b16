"""What may be wrong with a set of labelled faces: pure functions from faces to findings, in one table."""
