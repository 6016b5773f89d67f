"""The steps: collect, ingest, score, aggregate, detect, notify, report. Each may be killed or run twice."""
