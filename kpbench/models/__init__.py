"""Models as files: formats in which they leave kpbench, and those that it reads."""
