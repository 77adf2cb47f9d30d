"""The training data of the example, and what writes them."""
