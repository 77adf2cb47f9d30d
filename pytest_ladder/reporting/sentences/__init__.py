"""What reports say in words, the same on terminal, in Markdown and on the page."""
