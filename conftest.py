"""pytester has to be enabled in the top-level conftest."""

pytest_plugins = ["pytester"]
