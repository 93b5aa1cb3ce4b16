"""An ablation's rows to numbers."""
