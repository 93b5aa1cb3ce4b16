"""Two studies of one design to numbers."""
