"""Which cell next and which trial stops: samplers, early stopping, Optuna's journal."""
