"""Finished reports on other people's screens: OpenTelemetry, and cases from MLflow."""
