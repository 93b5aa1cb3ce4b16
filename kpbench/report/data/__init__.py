"""The pages on a data set."""
