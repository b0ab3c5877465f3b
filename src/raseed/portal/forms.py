"""What people type on the pages of users, settings and profile. The forms read; the rooms below decide and write.

Each names its fields one by one, so that whatever else is posted (a right, an account, a state) is not read at all.
"""

from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from raseed.accounts import details, tax_ids
from raseed.accounts.countries import country_choices
from raseed.accounts.details import KeptDetails, OwnDetails
from raseed.accounts.forms import PasswordForm, addresses_of, password_field
from raseed.accounts.general import General
from raseed.accounts.models import Language, Role, User
from raseed.accounts.people import EMAIL_LENGTH_MAX, NewPerson

_TEXT = {"class": "form-control"}
_SELECT = {"class": "form-select"}
_EMAIL_HINT = _("Enter a whole e-mail address, for example lina@example.com.")


def _name(label: object, required: object, autocomplete: str) -> forms.CharField:
    return forms.CharField(
        label=label,  # type: ignore[arg-type]
        max_length=200,
        widget=forms.TextInput({**_TEXT, "autocomplete": autocomplete}),
        error_messages={"required": required},  # type: ignore[dict-item]
    )


def _language(help_text: object) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Language"),
        choices=Language.choices,
        widget=forms.Select(_SELECT),
        help_text=help_text,  # type: ignore[arg-type]
    )


class UserForm(forms.Form):
    """Somebody who is to be invited, and as what."""

    name = _name(_("Name"), _("Enter the person's name as colleagues know it."), "off")
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput({**_TEXT, "dir": "ltr", "autocomplete": "off"}),
        help_text=_("An invitation is mailed to it; its link works once, for 72 hours."),
        error_messages={"required": _EMAIL_HINT, "invalid": _EMAIL_HINT},
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=[("", ""), *Role.choices],
        widget=forms.Select(_SELECT),
        help_text=_("Admins see Billing, pay, and look after users. Supervisors and Agents see neither."),
        error_messages={"required": _("Choose what the person may do.")},
    )
    language = _language(_("Of the invitation, and of the person's pages to begin with."))

    def person(self) -> NewPerson:
        """What was typed, as a person."""
        typed = self.cleaned_data
        return NewPerson(typed["name"], typed["email"], Language(typed["language"]))


class RoleForm(forms.Form):
    """Another role. `seen` is the one that the page showed."""

    role = forms.ChoiceField(label=_("New role"), choices=Role.choices, widget=forms.Select(_SELECT))
    seen = forms.CharField(max_length=10, widget=forms.HiddenInput)


class GeneralForm(forms.Form):
    """The settings that an account's Admins change. The hidden fields say what the page showed."""

    language = _language(_("Of receipts and invoices, and of mail about the account's money."))
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=[(name, name) for name in sorted(available_timezones())],
        widget=forms.Select(_SELECT),
        help_text=_(
            "Times on your pages are shown in it, and days begin and end by it. It holds from now on; papers that are issued stay as they are."
        ),
    )
    seen_language = forms.CharField(max_length=2, widget=forms.HiddenInput)
    seen_time_zone = forms.CharField(max_length=60, widget=forms.HiddenInput)

    @staticmethod
    def filled(general: General) -> "GeneralForm":
        """The form as it is drawn first."""
        there = {"language": general.language, "time_zone": general.time_zone}
        return GeneralForm(initial=there | {f"seen_{field}": value for field, value in there.items()})

    def seen(self) -> General:
        """What the page showed."""
        return General(self.cleaned_data["seen_language"], self.cleaned_data["seen_time_zone"])


class DetailsForm(forms.Form):
    """The billing details that Admins change. The hidden fields say what the page showed."""

    vat_id = forms.CharField(
        label=_("Tax number"),
        required=False,
        max_length=tax_ids.LENGTH_MAX,
        widget=forms.TextInput({**_TEXT, "dir": "ltr", "autocomplete": "off"}),
    )
    registration_number = forms.CharField(
        label=_("Registration number"),
        required=False,
        max_length=details.REGISTRATION_LENGTH_MAX,
        widget=forms.TextInput({**_TEXT, "dir": "ltr", "autocomplete": "off"}),
        help_text=_("As it should stand on your receipts and invoices."),
    )
    billing_emails = forms.CharField(
        label=_("Billing e-mails"),
        max_length=3000,
        widget=forms.Textarea({**_TEXT, "rows": 3, "dir": "ltr", "autocomplete": "off"}),
        help_text=_("Receipts are mailed to them: one address in a line."),
        error_messages={
            "required": _(
                "Enter at least one address to which receipts are mailed, for example finance@example.com."
            )
        },
    )
    seen_vat_id = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    seen_registration_number = forms.CharField(
        required=False, max_length=100, strip=False, widget=forms.HiddenInput
    )
    seen_billing_emails = forms.CharField(required=False, max_length=3000, widget=forms.HiddenInput)

    def __init__(self, country: str, data: object = None, initial: dict[str, str] | None = None) -> None:
        super().__init__(data, initial=initial)  # type: ignore[arg-type]
        self.fields["vat_id"].help_text = (
            _("Checked by the format of your billing country.")
            if tax_ids.is_checked(country)
            else _("Taken as you write it: no public format is known for your billing country.")
        )

    @staticmethod
    def filled(there: OwnDetails, country: str) -> "DetailsForm":
        """The form as it is drawn first."""
        shown = {
            "vat_id": there.vat_id,
            "registration_number": there.registration_number,
            "billing_emails": "\n".join(there.billing_emails),
        }
        seen = {f"seen_{field}": value for field, value in shown.items()}
        seen["seen_billing_emails"] = " ".join(there.billing_emails)
        return DetailsForm(country, initial=shown | seen)

    def clean_billing_emails(self) -> list[str]:
        """The addresses, one by one, without doubles."""
        return addresses_of(self.cleaned_data["billing_emails"])

    def wanted(self) -> OwnDetails:
        """What was typed."""
        typed = self.cleaned_data
        return OwnDetails(typed["vat_id"], typed["registration_number"], tuple(typed["billing_emails"]))

    def seen(self) -> OwnDetails:
        """What the page showed."""
        typed = self.cleaned_data
        return OwnDetails(
            typed["seen_vat_id"],
            typed["seen_registration_number"],
            tuple(typed["seen_billing_emails"].split()),
        )


class AskForm(forms.Form):
    """What staff are asked to change, and why."""

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
    why = forms.CharField(
        label=_("Why"),
        max_length=details.REASON_LENGTH_MAX,
        widget=forms.Textarea({**_TEXT, "rows": 2}),
        help_text=_("For example: the company has moved. Our staff read it and may ask for a paper."),
        error_messages={"required": _("Say why, in a few words.")},
    )

    def __init__(self, data: object = None, initial: dict[str, str] | None = None) -> None:
        super().__init__(data, initial=initial)  # type: ignore[arg-type]
        country = self.fields["country"]
        assert isinstance(country, forms.ChoiceField)  # noqa: S101 - tells the type checker which field this is
        country.choices = country_choices()

    def wanted(self) -> KeptDetails:
        """What was typed. Browsers end lines with two characters; what is kept has one."""
        typed = self.cleaned_data
        return KeptDetails(typed["billing_name"], "\n".join(typed["address"].splitlines()), typed["country"])


class ProfileForm(forms.Form):
    """How somebody is called, and in which language they read."""

    name = _name(_("Name"), _("Enter your name."), "name")
    language = _language(_("Of your pages and of mail to you."))


class EmailChangeForm(forms.Form):
    """The address that somebody wants to sign in with."""

    email = forms.EmailField(
        label=_("New e-mail address"),
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput({**_TEXT, "dir": "ltr", "autocomplete": "email", "autocapitalize": "none"}),
        help_text=_("A link is mailed to it; it works once, within one hour."),
        error_messages={"required": _EMAIL_HINT, "invalid": _EMAIL_HINT},
    )


class PasswordChangeForm(PasswordForm):
    """The present password, and a new one, twice."""

    current_password = password_field(_("Present password"), "current-password")
    field_order = ["current_password", "new_password1", "new_password2"]

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(user, data)
        # The profile form stands on the same page.
        self.auto_id = "id_password_%s"
