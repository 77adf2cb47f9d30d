"""Reports: data in, text out; only `files` writes any."""
