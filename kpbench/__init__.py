"""kpbench: architecture search and ablations for facial keypoint regression."""

__version__ = "0.1.0"
