"""What pytest-ladder is with other plugins; each module needs an extra of its own."""
