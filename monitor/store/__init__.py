"""Rows: tables, sessions, migrations and the questions asked of them."""
