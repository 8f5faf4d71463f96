"""The VM runner: HTTP app, durable jobs, build, boot, artifacts. Always a process of its own."""
