"""Counts in, incidents out; messages in, deliveries out. Knows neither scrapers, nor models, nor the application."""
