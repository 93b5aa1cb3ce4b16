"""Engines: carry jobs from a queue to an evaluation and back."""
