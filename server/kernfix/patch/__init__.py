"""Edits, unified diffs and text edits: pure."""
