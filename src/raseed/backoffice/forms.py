"""What staff type in the back office. Each form names its fields one by one; whatever else is posted is not read."""

from uuid import uuid4
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from raseed.accounts.countries import country_choices
from raseed.accounts.forms import addresses_of
from raseed.accounts.models import Language, Mode
from raseed.accounts.onboarding import NewAccount
from raseed.accounts.people import EMAIL_LENGTH_MAX, NewPerson
from raseed.events.models import EventKind
from raseed.money import CURRENCIES
from raseed.notifications.webhooks.endpoints import NewEndpoint
from raseed.notifications.webhooks.targets import URL_LENGTH_MAX

REASON_LENGTH_MAX = 500

_TEXT = {"class": "form-control"}
_SELECT = {"class": "form-select"}
_EMAIL_HINT = _("Enter a whole e-mail address, for example lina@example.com.")


class AccountForm(forms.Form):
    """A new account, whom its papers are made out to, and its first Admin."""

    name = forms.CharField(
        label=_("Account name"),
        max_length=200,
        widget=forms.TextInput(_TEXT),
        error_messages={"required": _("Enter the company's name as its users know it.")},
    )
    mode = forms.ChoiceField(
        label=_("Kind"),
        choices=Mode.choices,
        widget=forms.Select(_SELECT),
        help_text=_(
            "Prepaid: usage is deducted from the balance. Postpaid: it is invoiced at the month's end."
        ),
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[("", "")] + [(code, code) for code in sorted(CURRENCIES)],
        widget=forms.Select(_SELECT),
        help_text=_("It cannot be changed once money has moved."),
        error_messages={"required": _("Choose the currency in which the account is billed.")},
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=[("", "")] + [(name, name) for name in sorted(available_timezones())],
        widget=forms.Select(_SELECT),
        help_text=_("Days and billing periods are cut in it."),
        error_messages={"required": _("Choose the account's time zone, for example Asia/Riyadh.")},
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=Language.choices,
        widget=forms.Select(_SELECT),
        help_text=_("Of receipts and invoices, and of the Admin's pages to begin with."),
    )
    billing_name = forms.CharField(
        label=_("Billing name"),
        max_length=200,
        widget=forms.TextInput(_TEXT),
        error_messages={"required": _("Enter the legal name that receipts and invoices are made out to.")},
    )
    address = forms.CharField(
        label=_("Billing address"),
        max_length=1000,
        widget=forms.Textarea({**_TEXT, "rows": 3}),
        error_messages={"required": _("Enter the street, the city and the postal code.")},
    )
    country = forms.ChoiceField(
        label=_("Billing country"),
        widget=forms.Select(_SELECT),
        error_messages={"required": _("Choose the country of the billing address.")},
    )
    billing_emails = forms.CharField(
        label=_("Billing e-mails"),
        max_length=3000,
        widget=forms.Textarea({**_TEXT, "rows": 2, "dir": "ltr"}),
        help_text=_("Receipts are mailed to them: one address in a line."),
        error_messages={
            "required": _(
                "Enter at least one address to which receipts are mailed, for example finance@example.com."
            )
        },
    )
    admin_name = forms.CharField(
        label=_("The Admin's name"),
        max_length=200,
        widget=forms.TextInput(_TEXT),
        error_messages={"required": _("Enter the name of the person who will be the account's Admin.")},
    )
    admin_email = forms.EmailField(
        label=_("The Admin's e-mail address"),
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput({**_TEXT, "dir": "ltr"}),
        help_text=_("An invitation is mailed to it; its link works once, for 72 hours."),
        error_messages={"required": _EMAIL_HINT, "invalid": _EMAIL_HINT},
    )

    def __init__(self, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        country = self.fields["country"]
        assert isinstance(country, forms.ChoiceField)  # noqa: S101 - tells the type checker which field this is
        country.choices = [("", ""), *country_choices()]

    def clean_billing_emails(self) -> list[str]:
        """The addresses, one by one, without doubles. Names the first that is none."""
        return addresses_of(self.cleaned_data["billing_emails"])

    def account(self) -> NewAccount:
        """What was typed, as an account to be made."""
        typed = self.cleaned_data
        return NewAccount(
            name=typed["name"],
            mode=Mode(typed["mode"]),
            currency=typed["currency"],
            time_zone=typed["time_zone"],
            language=Language(typed["language"]),
            billing_name=typed["billing_name"],
            address=typed["address"],
            country=typed["country"],
            billing_emails=typed["billing_emails"],
        )

    def admin(self) -> NewPerson:
        """What was typed, as the account's first Admin."""
        typed = self.cleaned_data
        return NewPerson(typed["admin_name"], typed["admin_email"], Language(typed["language"]))


class AdminForm(forms.Form):
    """One more Admin of an account."""

    admin_name = forms.CharField(
        label=_("The Admin's name"),
        max_length=200,
        widget=forms.TextInput(_TEXT),
        error_messages={"required": _("Enter the person's name as colleagues know it.")},
    )
    admin_email = forms.EmailField(
        label=_("The Admin's e-mail address"),
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput({**_TEXT, "dir": "ltr"}),
        help_text=_("An invitation is mailed to it; its link works once, for 72 hours."),
        error_messages={"required": _EMAIL_HINT, "invalid": _EMAIL_HINT},
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=Language.choices,
        widget=forms.Select(_SELECT),
        help_text=_("Of the invitation, and of the person's pages to begin with."),
    )

    def admin(self) -> NewPerson:
        """What was typed, as a person."""
        typed = self.cleaned_data
        return NewPerson(typed["admin_name"], typed["admin_email"], Language(typed["language"]))


class RenameForm(forms.Form):
    """Another name for an account. `seen` is the one that the page showed."""

    name = forms.CharField(
        label=_("Account name"),
        max_length=200,
        widget=forms.TextInput(_TEXT),
        help_text=_("Its users see it. Receipts and invoices are made out to the billing name."),
        error_messages={"required": _("Enter the company's name as its users know it.")},
    )
    seen = forms.CharField(max_length=200, strip=False, widget=forms.HiddenInput)


class WebhookEndpointForm(forms.Form):
    """An endpoint of the operator's service: where, for whom, and which events."""

    url = forms.CharField(
        label=_("Address"),
        max_length=URL_LENGTH_MAX,
        widget=forms.TextInput({**_TEXT, "dir": "ltr", "inputmode": "url", "autocomplete": "off"}),
        help_text=_("Events are posted to it, for example https://service.example.com/hooks."),
        error_messages={"required": _("Enter the whole address, as https://service.example.com/hooks.")},
    )
    description = forms.CharField(
        label=_("What receives them"),
        max_length=100,
        required=False,
        widget=forms.TextInput(_TEXT),
    )
    account_id = forms.UUIDField(
        label=_("Only of one account"),
        required=False,
        widget=forms.TextInput({**_TEXT, "dir": "ltr", "autocomplete": "off"}),
        help_text=_("The account's id, which stands in the address of its page. Empty: of all accounts."),
        error_messages={"invalid": _("Enter the id as it stands in the address of the account's page.")},
    )
    kinds = forms.MultipleChoiceField(
        label=_("Events"),
        choices=EventKind.choices,
        widget=forms.SelectMultiple({**_SELECT, "size": len(EventKind.choices)}),
        help_text=_("Choose several with Ctrl or Cmd."),
        error_messages={"required": _("Choose at least one kind of event.")},
    )

    client_key = forms.UUIDField(
        widget=forms.HiddenInput,
        initial=uuid4,
        error_messages={
            "required": _("The form was not complete. Open it anew."),
            "invalid": _("The form was not complete. Open it anew."),
        },
    )

    def asked(self) -> NewEndpoint:
        """What was typed, as an endpoint to be made."""
        typed = self.cleaned_data
        kinds = [EventKind(kind) for kind in typed["kinds"]]
        return NewEndpoint(
            typed["url"], kinds, typed["account_id"], typed["description"], typed["client_key"]
        )


class ReasonForm(forms.Form):
    """Why staff suspend an account or lift a suspension: it stands in the audit log."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_LENGTH_MAX,
        widget=forms.TextInput(_TEXT),
        help_text=_("Kept in the audit log with your name."),
        error_messages={"required": _("Say why, in a few words.")},
    )
