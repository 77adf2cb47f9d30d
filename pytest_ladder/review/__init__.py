"""People who review: a page that is blind, fast and safe."""
