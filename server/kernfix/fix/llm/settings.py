"""Which chat endpoint to use. Naming one to kernfix is the consent to use it; a key meant for another tool is not."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HOW_TO_CONFIGURE = (
    "set KERNFIX_LLM_BASE_URL (for example http://127.0.0.1:11434/v1) and KERNFIX_LLM_MODEL, "
    "and KERNFIX_LLM_API_KEY where the endpoint needs one"
)


class LLMSettings(BaseSettings):
    """The endpoint, from ``KERNFIX_LLM_*`` or from the editor's settings of the same names.

    `base_url` is what ``/chat/completions`` is appended to. Off until it and `model` are both set. No other variable is read.
    """

    model_config = SettingsConfigDict(env_prefix="KERNFIX_LLM_", extra="ignore", frozen=True, hide_input_in_errors=True)

    base_url: str = ""
    model: str = ""
    api_key: SecretStr | None = None

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value and not _is_plain_url(value):
            raise ValueError("must look like https://host/v1")
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("must be printable ASCII on one line")
        return SecretStr(key) if key else None

    @property
    def enabled(self) -> bool:
        """Whether the user has named an endpoint and a model."""
        return bool(self.base_url and self.model)

    @property
    def host(self) -> str:
        """The host that the report and the source of the suspects are sent to."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def load_settings(**overrides: str) -> tuple[LLMSettings | None, str | None]:
    """The settings when they name an endpoint, and otherwise None with a sentence that says what to set.

    `overrides` (``base_url``, ``model``, ``api_key``) win over the environment; empty ones are ignored.
    """
    try:
        settings = LLMSettings.model_validate({name: value for name, value in overrides.items() if value})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "KERNFIX_LLM_" + "_".join(str(part) for part in first["loc"]).upper()
        return None, f"{name} cannot be used: {first['msg'].removeprefix('Value error, ')}."
    if not settings.enabled:
        return None, f"no model endpoint is configured: {HOW_TO_CONFIGURE}."
    return settings, None


def _is_plain_url(value: str) -> bool:
    """An http or https URL without user, password, query or fragment: those have no place in an endpoint, and may hold secrets."""
    try:
        url = HttpUrl(value)
    except ValidationError:
        return False
    return not (url.username or url.password or url.query or url.fragment)
