"""Reports: figures to one HTML file."""
