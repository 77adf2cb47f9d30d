"""An app behind an HTTP address: its calls become calls of the rung."""
