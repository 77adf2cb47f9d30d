"""What people said of replies, as the report and a decision read it: pure functions."""
