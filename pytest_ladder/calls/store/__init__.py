"""Every reply ever paid for: the store, committed recordings, and their keys."""
