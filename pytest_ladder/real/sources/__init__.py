"""Raw files of real use, streamed: exposures and events, tables, ratings and votes."""
