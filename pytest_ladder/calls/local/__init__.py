"""Local models: weights fetched once, and a llama.cpp server for each."""
