"""One crash from text to verdict: what the command line and the language server both call."""
