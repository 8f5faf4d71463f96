"""Drafts from a chat model: settings → prompt → client → answer. Off until the user names an endpoint."""

from kernfix.fix.llm.settings import LLMSettings, load_settings

__all__ = ["LLMSettings", "load_settings"]
