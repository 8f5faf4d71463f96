"""One module a feature: a handler that fetches what it needs from the server, around a pure core."""
