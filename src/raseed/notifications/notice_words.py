"""The words of notices and alarms: what is said, what to do if it comes as a surprise, where the button leads.

Sentences and nothing else: who gets one and what stands in its places is `compose`'s to say.
"""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from raseed.accounts.notices import Notice
from raseed.notifications.models import PersonalKind

SECURITY_PATH: Final = "/profile/security"
WEBHOOKS_PATH: Final = "/backoffice/webhook-endpoints"
DETAILS_PATH: Final = "/settings/billing/details"

_OWN_ADDRESS: Final = gettext_lazy(
    "You get this mail because this is the address with which you sign in. It cannot be switched off."
)


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """What a notice says, what to do if it comes as a surprise, and where its button leads (nowhere if `path` is empty).

    `why` says at the foot why the reader gets it.
    """

    subject: str | Promise
    said: str | Promise
    advice: str | Promise
    label: str | Promise = ""
    path: str = ""
    why: str | Promise = _OWN_ADDRESS


def _of_a_factor(subject: str | Promise, said: str | Promise) -> NoticeWords:
    """Words of a change to a second factor; `%(thing)s` is the name of what it is about."""
    return NoticeWords(subject, said, _IF_NOT_YOU, gettext_lazy("Sign-in and security"), SECURITY_PATH)


def _of_a_key(subject: str | Promise, said: str | Promise) -> NoticeWords:
    """Words about a key of the API; `%(thing)s` is its name."""
    return NoticeWords(subject, said, _ASK_AROUND)


def _of_billing_details(
    subject: str | Promise, said: str | Promise, advice: str | Promise | None = None
) -> NoticeWords:
    """Words of something about Billing Details."""
    return NoticeWords(subject, said, advice or _NOT_EXPECTED, gettext_lazy("Billing Details"), DETAILS_PATH)


_NOT_EXPECTED: Final = gettext_lazy(
    "If this comes as a surprise, look who did it with the other Admins, and tell the operator."
)
_IF_NOT_YOU: Final = gettext_lazy("If it was not you, set a new password at once and tell the operator.")
_ASK_AROUND: Final = gettext_lazy(
    "If this comes as a surprise, look at the list of API keys, revoke what nobody knows, and tell the operator."
)
_ASK_AN_ADMIN: Final = gettext_lazy("If this comes as a surprise, ask an Admin of %(account)s.")
NOTICES: Final[dict[Notice, NoticeWords]] = {
    Notice.PASSWORD_CHANGED: NoticeWords(
        gettext_lazy("Your password was changed"),
        gettext_lazy(
            "The password of %(address)s was changed on %(at)s, from the network address %(place)s."
        ),
        gettext_lazy("If it was you, there is nothing to do. If it was not you, set a new password at once."),
        gettext_lazy("Set a new password"),
        "/password/reset",
    ),
    Notice.ROLE_CHANGED: NoticeWords(
        gettext_lazy("Your role was changed"),
        gettext_lazy(
            "Your role in the account of %(account)s was changed on %(at)s: %(before)s before, %(after)s now."
        ),
        _ASK_AN_ADMIN,
        gettext_lazy("Open your page"),
        "/home",
    ),
    Notice.ACCESS_ENDED: NoticeWords(
        gettext_lazy("Your access has ended"),
        gettext_lazy("Your sign-in %(address)s to the account of %(account)s was disabled on %(at)s."),
        _ASK_AN_ADMIN,
    ),
    Notice.ACCESS_RESTORED: NoticeWords(
        gettext_lazy("You can sign in again"),
        gettext_lazy("Your sign-in %(address)s to the account of %(account)s was enabled again on %(at)s."),
        _ASK_AN_ADMIN,
        gettext_lazy("Sign in"),
        "/login",
    ),
    Notice.APP_ADDED: _of_a_factor(
        gettext_lazy("An authenticator app was added"),
        gettext_lazy("An authenticator app was set up as your second factor on %(at)s."),
    ),
    Notice.APP_REMOVED: _of_a_factor(
        gettext_lazy("The authenticator app was removed"),
        gettext_lazy("Since %(at)s your authenticator app no longer opens your sign-in."),
    ),
    Notice.PASSKEY_ADDED: _of_a_factor(
        gettext_lazy("A passkey was added"),
        gettext_lazy("The passkey %(thing)s was added on %(at)s. It signs you in without a password."),
    ),
    Notice.PASSKEY_REMOVED: _of_a_factor(
        gettext_lazy("A passkey was removed"),
        gettext_lazy("Since %(at)s the passkey %(thing)s no longer opens your sign-in."),
    ),
    Notice.CODES_MADE: _of_a_factor(
        gettext_lazy("New recovery codes were made"),
        gettext_lazy("A new set of recovery codes was made on %(at)s. The earlier ones no longer work."),
    ),
    Notice.CODE_USED: _of_a_factor(
        gettext_lazy("A recovery code was used"),
        gettext_lazy(
            "One of your recovery codes was used in the place of your second factor on %(at)s. It does not work again."
        ),
    ),
    Notice.API_KEY_MADE: _of_a_key(
        gettext_lazy("An API key was made"),
        gettext_lazy("The API key %(thing)s for %(account)s was made on %(at)s."),
    ),
    Notice.API_KEY_REVOKED: _of_a_key(
        gettext_lazy("An API key was revoked"),
        gettext_lazy(
            "The API key %(thing)s of %(account)s was revoked on %(at)s and no longer opens anything."
        ),
    ),
    Notice.WEBHOOKS_STOPPED: NoticeWords(
        gettext_lazy("Webhooks to an endpoint are stopped"),
        gettext_lazy(
            "Nothing was taken at %(thing)s for five days. The endpoint was switched off on %(at)s: no event is sent there any"
            " more."
        ),
        gettext_lazy(
            "Have the receiver repaired, switch the endpoint on again, and replay what it missed from its delivery log."
        ),
        gettext_lazy("Outgoing webhooks"),
        WEBHOOKS_PATH,
    ),
    Notice.FACTORS_RESET: _of_a_factor(
        gettext_lazy("Your second factor was reset"),
        gettext_lazy(
            "On %(at)s the operator removed your authenticator app, passkeys and recovery codes, and ended your sessions."
        ),
    ),
    Notice.EMAIL_CHANGE_ASKED: NoticeWords(
        gettext_lazy("Another e-mail address for your sign-in was asked for"),
        gettext_lazy(
            "On %(at)s somebody, most likely you, asked to sign in with %(email)s instead of %(address)s. Nothing has changed yet: the new address has to be confirmed first."
        ),
        gettext_lazy(
            "If it was not you, set a new password at once: the request ends with it. Tell the operator too."
        ),
        gettext_lazy("Set a new password"),
        "/password/reset",
    ),
    Notice.EMAIL_CHANGED: NoticeWords(
        gettext_lazy("You sign in with another e-mail address now"),
        gettext_lazy("Since %(at)s you sign in with %(email)s and no longer with %(address)s."),
        gettext_lazy(
            "If it was not you, tell the operator at once: this address no longer opens your sign-in."
        ),
        why=gettext_lazy(
            "You get this mail because you signed in with this address until now. No further mail about your sign-in comes here."
        ),
    ),
    Notice.EMAIL_WANTED: NoticeWords(
        gettext_lazy("Somebody asked to sign in with your e-mail address"),
        gettext_lazy(
            "On %(at)s somebody who signs in with another address asked to sign in with %(address)s instead. It is yours already, so nothing was changed."
        ),
        gettext_lazy(
            "If it was you, sign in with it, or choose another address for your other sign-in. If not, there is nothing to do."
        ),
        gettext_lazy("Sign in"),
        "/login",
    ),
    Notice.CARD_ADDED: _of_billing_details(
        gettext_lazy("A card was added"),
        gettext_lazy("The card %(thing)s was added to the account of %(account)s on %(at)s."),
    ),
    Notice.CARD_REMOVED: _of_billing_details(
        gettext_lazy("A card was removed"),
        gettext_lazy(
            "The card %(thing)s was removed from the account of %(account)s on %(at)s. It is not charged any more."
        ),
    ),
    Notice.CARD_MADE_DEFAULT: _of_billing_details(
        gettext_lazy("Another card is charged first"),
        gettext_lazy(
            "Since %(at)s the card %(thing)s is the default of the account of %(account)s: it is charged first."
        ),
    ),
    Notice.CARD_EXPIRES: _of_billing_details(
        gettext_lazy("A card is about to expire"),
        gettext_lazy(
            "The card %(thing)s of the account of %(account)s works until the end of %(month)s. After that it cannot be charged."
        ),
        gettext_lazy("Add the new card in good time, so that payments and automatic recharge go on."),
    ),
    Notice.DETAILS_CHANGED: _of_billing_details(
        gettext_lazy("Billing details were changed"),
        gettext_lazy("The billing details of %(account)s were changed on %(at)s: %(thing)s."),
    ),
    Notice.REQUEST_APPROVED: _of_billing_details(
        gettext_lazy("Your change of billing details is done"),
        gettext_lazy(
            "The operator has made the change that was asked for %(account)s on %(at)s: %(thing)s. Receipts and invoices are made out so from now on; those that are issued stay as they are."
        ),
    ),
    Notice.REQUEST_REFUSED: _of_billing_details(
        gettext_lazy("Your change of billing details was not made"),
        gettext_lazy(
            "The operator did not make the change that was asked for %(account)s on %(at)s. The reason: %(thing)s"
        ),
        gettext_lazy("You can ask again, with what was missing."),
    ),
    Notice.CARD_TESTING: NoticeWords(
        gettext_lazy("Many cards are being declined"),
        gettext_lazy(
            "Since %(at)s somebody may be trying stolen cards: %(declined)s of the last %(ended)s new cards were declined within ten minutes."
        ),
        gettext_lazy(
            "Everybody who types a new card now solves a short check first; saved cards go on as usual. It ends by itself. The runbook says what to look at."
        ),
    ),
}


ALARMS: Final[dict[PersonalKind, NoticeWords]] = {
    PersonalKind.BOOKS_BROKEN: NoticeWords(
        gettext_lazy("The books do not add up"),
        gettext_lazy(
            "On %(at)s a check of the books found what must never be. Broken rules, and how often each: %(rules)s."
        ),
        gettext_lazy(
            "Look at it now. The page shows the lines that were found; the runbook says for each rule what it means and what to do."
        ),
        gettext_lazy("Open Reconciliation"),
        "/backoffice/breaks",
        gettext_lazy(
            "You get this mail because you are of the operator's finance staff. It comes once a day for the same rules."
        ),
    ),
}
