"""Reports: data in, text out; nothing here writes a file but `data`."""
