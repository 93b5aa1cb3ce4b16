"""Carries out jobs: the queues, one job's training, and who runs it."""
