"""Readers of public review and mention sources: bytes in, items out."""
