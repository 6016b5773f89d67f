"""One file per site; `scrapers.registry` finds the readers by itself."""
