"""The steps: collect, ingest, score, aggregate, detect, notify, report. Each may be killed at any instant or run twice."""
