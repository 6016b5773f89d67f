"""The process that goes on: schedules, signals, the dashboard beside them."""
