"""Cases: from a file, a list or a function to checked values."""
