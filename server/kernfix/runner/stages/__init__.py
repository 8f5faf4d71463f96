"""The steps of a job, one module each: fetch, apply, build, reproduce (boot is a part of every run)."""
