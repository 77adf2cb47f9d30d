"""From a case to messages: templates, few-shot examples, retrieval."""
