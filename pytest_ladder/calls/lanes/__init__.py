"""Ways to send one request: OpenAI's protocol, litellm, and scripted models."""
