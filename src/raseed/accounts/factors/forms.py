"""What people type about their factors. The forms read; `check` and `change` do."""

from django import forms
from django.utils.translation import gettext_lazy as _

PASSKEY_NAME_LENGTH_MAX = 60
# A browser's answer about a passkey, with room for long keys and certificates.
PASSKEY_ANSWER_LENGTH_MAX = 20_000


class AppCodeForm(forms.Form):
    """A code of the authenticator app."""

    code = forms.CharField(
        label=_("Code from your authenticator app"),
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "class": "form-control code-input",
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "dir": "ltr",
            }
        ),
        error_messages={"required": _("Enter the six digits that your app shows.")},
    )


class RecoveryCodeForm(forms.Form):
    """One of the recovery codes."""

    recovery_code = forms.CharField(
        label=_("Recovery code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "class": "form-control code-input",
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "dir": "ltr",
            }
        ),
        error_messages={"required": _("Enter one of your recovery codes, for example ABCD-EFGH-JKMN.")},
    )


class ConfirmPasswordForm(forms.Form):
    """The password of who is signed in, once more."""

    password = forms.CharField(
        label=_("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(
            attrs={"class": "form-control", "autocomplete": "current-password", "dir": "ltr"}
        ),
        error_messages={"required": _("Enter the password.")},
    )


class PasskeyAnswerForm(forms.Form):
    """What the browser says of a passkey, as JSON; the page's script fills it in."""

    answer = forms.CharField(
        max_length=PASSKEY_ANSWER_LENGTH_MAX,
        widget=forms.HiddenInput,
        error_messages={
            "required": _("Your browser did not use a passkey. Try again, or take another way."),
        },
    )


class PasskeyNameForm(forms.Form):
    """What the person calls a passkey."""

    name = forms.CharField(
        label=_("Name of the passkey"),
        help_text=_("So that you know it again, for example the device it is on."),
        max_length=PASSKEY_NAME_LENGTH_MAX,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "dir": "auto"}),
        error_messages={"required": _("Give the passkey a name, for example: my phone.")},
    )


class NewPasskeyForm(PasskeyNameForm, PasskeyAnswerForm):
    """A name and what the browser has made."""
