"""The report as one HTML page that works offline and asks nothing of any network."""

from pytest_ladder.reporting.page.html import page_html

__all__ = ["page_html"]
