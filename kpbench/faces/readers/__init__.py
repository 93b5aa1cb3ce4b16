"""Every file layout that faces come in, and what the readers share."""
