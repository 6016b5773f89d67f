"""The application: the only package that knows scrapers, models and alerts."""

__version__ = "0.1.0"
