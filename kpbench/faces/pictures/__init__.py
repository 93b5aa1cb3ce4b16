"""A person's own pictures: which there are, and where the faces on them are."""
