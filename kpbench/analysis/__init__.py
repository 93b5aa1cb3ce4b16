"""Rows to numbers: what a search, an ablation, a comparison or the built-in faces come to."""
