"""A study folder: its plan, its rows, its lock."""
