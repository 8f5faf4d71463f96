"""Jobs, verdicts, the judge and the client of the runner."""
