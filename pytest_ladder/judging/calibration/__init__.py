"""How far a judge can be trusted: labels, agreement and corrected quality."""
