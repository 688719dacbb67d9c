"""The arms of `python -m bench.train`: each a fresh process that goes from files to a saved model."""
