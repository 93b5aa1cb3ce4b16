"""The data sets that a person added, where they come from and where they are kept."""
