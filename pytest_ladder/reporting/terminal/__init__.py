"""A report on a terminal: lines with their markup, which the caller prints."""
