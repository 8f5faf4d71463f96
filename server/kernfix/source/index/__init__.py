"""The index of a tree: which functions it defines, by name.

The way of the data: `scan` (one file's text → what it defines) → `build` (all files, in worker processes) → `store` (SQLite in the user's
cache) → `lookup` (a symbol's definitions).
"""
