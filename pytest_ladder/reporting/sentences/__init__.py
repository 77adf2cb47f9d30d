"""What a report says in words, the same in terminal, Markdown and page."""
