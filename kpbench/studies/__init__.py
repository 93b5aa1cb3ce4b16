"""What the commands carry out: search, ablation, verification, and what they share."""
