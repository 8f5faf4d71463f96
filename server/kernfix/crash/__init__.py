"""Console text to crashes: pure, no I/O, never raises."""
