"""Plots: numbers to figures."""
