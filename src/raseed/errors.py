"""The root of every error that Raseed raises on purpose.

An error is a noun with a stable code, an HTTP status, one sentence for the person and one for the log. This module
knows no room of the product and must never hold an error that belongs to one: those live beside the code that raises them.
"""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise, lazystr
from django.utils.translation import gettext_lazy as _


class RaseedError(Exception):
    """An outcome that the caller is told about: what went wrong and what would be right.

    Subclasses set ``code`` (stable, snake_case, never translated), ``status`` (HTTP) and ``message``, a lazy gettext
    string that may name parameters as ``%(name)s``. ``field`` names the form field at fault, or is None.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    message: str | Promise = _("Something went wrong. Nothing was changed.")
    field: str | None = None

    def __init__(self, log_detail: str = "", **params: object) -> None:
        """Keep ``log_detail`` for the log and put ``params`` into the sentence for the person.

        The sentence is put together when it is shown, so that it comes out in the reader's language.
        """
        super().__init__(log_detail or self.code)
        self.log_detail = log_detail
        self.params = params
        if params:
            self.message = lazystr(_Sentence(type(self).message, params))

    def __str__(self) -> str:
        """Give the line for the log: code and detail. What a person reads is ``message``."""
        return f"{self.code}: {self.log_detail}" if self.log_detail else self.code


class _Sentence:
    """A translated template and its parameters, joined only when somebody reads it."""

    def __init__(self, template: str | Promise, params: dict[str, object]) -> None:
        self._template = template
        self._params = params

    def __str__(self) -> str:
        return str(self._template) % self._params
