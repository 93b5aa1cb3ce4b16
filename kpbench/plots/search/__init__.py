"""The plots of a search."""
