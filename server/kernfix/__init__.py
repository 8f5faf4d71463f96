"""From a Linux kernel crash log to a verified fix."""

__version__ = "0.1.0"
