"""How asking a model fails: each with one clear sentence for the user, which never holds the key.

LLMError
├── Unreachable    no connection, or silence
├── Refused        the endpoint says no: wrong key, unknown model, bad request, a redirect
├── Overloaded     it says "later", and still does after the retries
├── Broken         what it sent is no answer: cut off, an error in the stream, too much
└── Truncated      the model stopped at its length limit
"""

from __future__ import annotations


class LLMError(Exception):
    """Asking a model failed."""


class Unreachable(LLMError):
    """No connection, or silence for too long."""


class Refused(LLMError):
    """The endpoint refused the request. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Overloaded(LLMError):
    """The endpoint asked to come back later. `retry_after` is in seconds, None when it named no time."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Broken(LLMError):
    """The endpoint's answer cannot be used."""


class Truncated(LLMError):
    """The model reached its length limit; half an edit is worse than none."""
