"""Two studies, or two cells, to numbers."""
