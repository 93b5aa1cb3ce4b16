"""The plots of an ablation."""
