"""Statistics behind every reported number: pure functions, numbers in, numbers out."""
