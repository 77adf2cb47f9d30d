"""The files of a report: written, read again, joined and compared."""
