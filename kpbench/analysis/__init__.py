"""Rows to numbers: what a search, an ablation, a comparison or a verification comes to."""
