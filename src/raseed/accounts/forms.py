"""What people type to sign in, to get a password, and to make a key of the API. The forms read; `people` and `api_keys` do.

Each names its fields one by one, so that whatever else is posted (a role, an account) is not read at all.
"""

from datetime import timedelta

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from raseed.accounts.api_keys import NewKey, new_token
from raseed.accounts.details import BILLING_EMAILS_MAX
from raseed.accounts.models import KeyAccess, User
from raseed.accounts.people import EMAIL_LENGTH_MAX

# Longer than any password manager makes, short enough that hashing one stays cheap.
PASSWORD_LENGTH_MAX = 200


def _email(label: object) -> forms.EmailField:
    return forms.EmailField(
        label=label,  # type: ignore[arg-type]
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput(
            attrs={
                "class": "form-control",
                "autocomplete": "username",
                "dir": "ltr",
                "autocapitalize": "none",
            }
        ),
        error_messages={
            "required": _("Enter your e-mail address, for example lina@example.com."),
            "invalid": _("Enter a whole e-mail address, for example lina@example.com."),
        },
    )


def password_field(label: object, autocomplete: str, help_text: object = "") -> forms.CharField:
    """A field for a password: spaces count, and what was typed is not drawn again."""
    return forms.CharField(
        label=label,  # type: ignore[arg-type]
        help_text=help_text,  # type: ignore[arg-type]
        max_length=PASSWORD_LENGTH_MAX,
        strip=False,
        widget=forms.PasswordInput(
            attrs={"class": "form-control", "autocomplete": autocomplete, "dir": "ltr"}
        ),
        error_messages={"required": _("Enter the password.")},
    )


def addresses_of(text: str) -> list[str]:
    """E-mail addresses that were typed one in a line, without doubles. Raises ValidationError, naming the first that is none."""
    addresses = list(dict.fromkeys(text.replace(",", " ").replace(";", " ").lower().split()))
    if len(addresses) > BILLING_EMAILS_MAX:
        raise ValidationError(_("Enter at most %(limit)s addresses."), params={"limit": BILLING_EMAILS_MAX})
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError as error:
            raise ValidationError(
                _("%(address)s is not a whole e-mail address. Write it as finance@example.com."),
                params={"address": address},
            ) from error
    return addresses


class SignInForm(forms.Form):
    """Address and password, and where to go after it."""

    username = _email(_("E-mail address"))
    password = password_field(_("Password"), "current-password")
    next = forms.CharField(required=False, widget=forms.HiddenInput)


class ResetForm(forms.Form):
    """The address to which a link is to be mailed."""

    email = _email(_("E-mail address"))


def _rules() -> str:
    return " ".join(password_validators_help_texts())


class PasswordForm(forms.Form):
    """A new password, twice, for `user`: the rules look at the person's name and address too."""

    new_password1 = password_field(_("New password"), "new-password", lazy(_rules, str)())
    new_password2 = password_field(_("New password, once more"), "new-password")

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._user = user

    def clean_new_password1(self) -> str:
        """Refuse a weak password, with all its faults."""
        password: str = self.cleaned_data["new_password1"]
        validate_password(password, self._user)
        return password

    def clean_new_password2(self) -> str:
        """Refuse two that differ."""
        first, second = self.cleaned_data.get("new_password1"), self.cleaned_data["new_password2"]
        if first is not None and first != second:
            raise ValidationError(_("The two passwords differ. Type the same one twice."))
        return str(second)


class ApiKeyForm(forms.Form):
    """A key to be made: what it is for, what it may do, how long it works."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        widget=forms.TextInput({"class": "form-control", "autocomplete": "off"}),
        help_text=_("What uses it, for example: telephone system. It stands in this list and in mails."),
        error_messages={"required": _("Say what uses the key, so that you know it again.")},
    )
    access = forms.ChoiceField(
        label=_("It may"),
        choices=KeyAccess.choices,
        widget=forms.Select({"class": "form-select"}),
        help_text=_("Give it no more than it needs."),
    )
    lifetime = forms.ChoiceField(
        label=_("It works for"),
        choices=[
            ("90", _("90 days")),
            ("30", _("30 days")),
            ("365", _("One year")),
            ("", _("As long as nobody revokes it")),
        ],
        required=False,
        initial="90",
        widget=forms.Select({"class": "form-select"}),
        help_text=_("Make another one before it ends, and change over."),
    )
    token = forms.CharField(
        min_length=40,
        max_length=60,
        widget=forms.HiddenInput,
        initial=new_token,
        error_messages={
            "required": _("The form was not complete. Open it anew."),
            "min_length": _("The form was not complete. Open it anew."),
        },
    )

    def asked(self) -> NewKey:
        """What was typed, as a key to be made."""
        typed = self.cleaned_data
        days: str = typed["lifetime"]
        lifetime = timedelta(days=int(days)) if days else None
        return NewKey(typed["name"], KeyAccess(typed["access"]), lifetime, typed["token"])
