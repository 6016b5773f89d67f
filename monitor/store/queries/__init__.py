"""Questions that pages and the API ask of the rows: read only, one file per noun."""
