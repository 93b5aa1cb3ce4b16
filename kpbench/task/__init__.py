"""The fixed task: the benchmark's definition, the formula of the score and the scorer."""
