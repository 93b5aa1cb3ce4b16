"""What may vary: search spaces, the design of an ablation, the recipes of tuning."""
