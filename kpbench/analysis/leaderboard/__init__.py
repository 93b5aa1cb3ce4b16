"""Studies and hand-ins ranked where they did the same task."""
