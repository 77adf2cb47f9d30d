"""Which tests are ladder tests, and what is known before any of them runs."""
