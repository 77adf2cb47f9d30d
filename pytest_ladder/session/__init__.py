"""One pytest process: its ladders, its engine, its fixtures and the test that runs."""
