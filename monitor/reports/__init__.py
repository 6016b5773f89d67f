"""The weekly topic report: values from the store, sentences from the values, pages from both."""
