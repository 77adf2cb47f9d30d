"""Numbers, phrases and tables as text, and untrusted text made safe."""
