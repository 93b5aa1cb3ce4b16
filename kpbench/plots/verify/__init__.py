"""The plots of a verification."""
