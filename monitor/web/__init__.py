"""What people look at: the dashboard and the HTTP API, in one process with the daemon or alone."""
