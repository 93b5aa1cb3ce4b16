"""The version of kpbench, part of every model card and session."""

__version__ = "0.1.0"
