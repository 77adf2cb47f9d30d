"""How the trained models are made: see `python -m examples.support.build -h`."""
