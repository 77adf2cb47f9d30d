"""The report as one HTML page that works offline and asks nothing of any network."""

from pytest_ladder.reporting.html.page import page_html

__all__ = ["page_html"]
