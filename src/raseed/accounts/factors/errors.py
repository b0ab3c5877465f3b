"""What can be wrong with a factor, as the person is told."""

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError


class WrongCode(RaseedError):
    """Not a code of this moment, or one that was used already; which of them is not said."""

    code = "code_wrong"
    field = "code"
    message = _("This code does not fit, or was used already. Wait for the next one in your app and type it.")


class WrongRecoveryCode(RaseedError):
    """No recovery code, or one that was used already."""

    code = "recovery_code_wrong"
    field = "recovery_code"
    message = _("This is not one of your recovery codes, or it was used already. Each works once.")


class WrongPassword(RaseedError):
    """The password of the person who is signed in does not fit."""

    code = "password_wrong"
    field = "password"
    message = _("This is not your password. Nothing was changed.")


class TooManyCodes(RaseedError):
    """Too many wrong codes; this one was not looked at."""

    code = "too_many_codes"
    status = 429
    message = _("Too many wrong tries. Wait %(minutes)s min and try again.")


class PasskeyRefused(RaseedError):
    """What came from the browser proves nothing: another site's, too old, unknown, or not verified by the person."""

    code = "passkey_refused"
    message = _("The passkey could not be used. Try again, or take another way.")


class PasskeyThere(RaseedError):
    """The same passkey again, or more than anybody needs."""

    code = "passkey_there"
    status = 409
    message = _("This passkey is here already, or you have the most that one person can have.")


class SetupOver(RaseedError):
    """The page with the QR code is too old, or was not ours."""

    code = "setup_over"
    status = 410
    message = _("This page is too old. Scan the new QR code below.")


class AppThere(RaseedError):
    """One authenticator app a person."""

    code = "app_there"
    status = 409
    message = _("You already have an authenticator app. Remove it first to set up another.")


class LastFactor(RaseedError):
    """Staff keep one factor at least."""

    code = "last_factor"
    status = 409
    message = _("Staff need a second factor. Add another one first, then remove this.")


class NobodyThere(RaseedError):
    """No user has the address."""

    code = "user_unknown"
    status = 404
    field = "email"
    message = _("Nobody signs in with %(email)s.")
