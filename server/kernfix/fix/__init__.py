"""From a crash and its code to checked candidates.

The way of the data: `suspects` (which functions matter) → `templates` (drafts that need no model) and `llm` (drafts from one, off until
configured) → `checks` (a draft becomes a candidate) → `propose`, which runs it all, joins equal candidates and ranks them.
"""
