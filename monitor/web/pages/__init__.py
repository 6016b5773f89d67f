"""The pages, one module per noun: each has a `router`."""
