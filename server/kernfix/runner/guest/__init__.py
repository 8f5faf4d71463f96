"""A guest: its initial RAM disk, the accelerator that really works here, and one run in QEMU."""
