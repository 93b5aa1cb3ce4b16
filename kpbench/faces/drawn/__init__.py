"""The built-in faces, drawn."""
