"""The rules of the second factor: a code works once, guessing is locked, staff keep one, each change is told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from uuid import uuid4

import pytest
from argon2.low_level import Type, hash_secret_raw
from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings
from typer.testing import CliRunner

from factors import code_at, give_app
from people import NOON, make_company, make_operator, make_user
from raseed.accounts.attempts import PROOF, PROOF_DAY
from raseed.accounts.factors import change, check, codes, held, sealing
from raseed.accounts.factors.check import Act
from raseed.accounts.factors.errors import (
    AppThere,
    LastFactor,
    NobodyThere,
    SetupOver,
    TooManyCodes,
    WrongCode,
    WrongPassword,
    WrongRecoveryCode,
)
from raseed.accounts.factors.models import AuthenticatorApp, Passkey, RecoveryCode
from raseed.accounts.factors.passkeys import NewCredential
from raseed.accounts.models import StaffRole, User
from raseed.audit.log import COMMAND_LINE, Who
from raseed.audit.models import AuditEntry, OperatorAuditEntry
from raseed.cli import app as cli

LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def admin(cheap_hashes: None, db: None) -> User:
    make_operator()
    return make_company().admin


@pytest.fixture
def support(cheap_hashes: None, db: None, settings: Settings) -> User:
    settings.STAFF_SECOND_FACTOR_REQUIRED = True
    make_operator()
    return make_user("support@operator.test", staff_role=StaffRole.SUPPORT)


def me(user: User) -> Who:
    return Who(user.id, "self")


def acts(user: User) -> list[str]:
    """The audit log's words about the user, oldest first."""
    kept = (
        AuditEntry.objects.filter(account_id=user.account_id)
        if user.account_id
        else OperatorAuditEntry.objects.all()
    )
    return list(kept.order_by("id").values_list("action", flat=True))


def notices() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice").order_by("id")
    return [job.args["kind"] for job in jobs]


def give_passkey(user: User, name: str = "phone", now: datetime = NOON) -> Passkey:
    change.add_passkey(user, name, NewCredential(uuid4().bytes, b"key", 0), me(user), now)
    return Passkey.objects.get(user_id=user.id, name=name)


# -- codes of the app


@pytest.mark.parametrize(
    ("seconds", "fits"), [(-31, False), (-30, True), (0, True), (30, True), (59, True), (60, False)]
)
def test_a_code_holds_for_its_half_minute_and_the_ones_beside_it(seconds: int, fits: bool) -> None:
    secret = codes.new_secret()
    typed = code_at(secret, NOON + timedelta(seconds=seconds))
    assert (codes.step_of(secret, typed, NOON) is not None) == fits


def test_the_arithmetic_is_that_of_the_standard() -> None:
    """RFC 6238, appendix B, the last six digits."""
    secret = b"12345678901234567890"
    for seconds, digits in [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")]:
        at = datetime.fromtimestamp(seconds, UTC)
        assert codes.step_of(secret, digits, at) == seconds // 30


def test_digits_are_read_as_people_type_them() -> None:
    secret = codes.new_secret()
    plain = code_at(secret, NOON)
    arabic = plain.translate({ord(str(n)): chr(0x660 + n) for n in range(10)})
    for typed in (f" {plain[:3]} {plain[3:]} ", f"{plain[:3]}-{plain[3:]}", arabic):
        assert codes.step_of(secret, typed, NOON), typed
    for typed in ("", "12345", plain + "0", "abcdef", "½½½½½½", plain[:5], "-1e400"):
        assert codes.step_of(secret, typed, NOON) is None, typed


def test_an_app_is_kept_once_its_code_came_and_its_secret_is_sealed(admin: User) -> None:
    sealed = change.begin_app(admin, NOON)
    secret = change.secret_of(admin, sealed, NOON)
    with pytest.raises(WrongCode):
        change.add_app(admin, sealed, code_at(secret, NOON - timedelta(hours=1)), me(admin), NOON)
    assert not held.has_any(admin.id)
    assert acts(admin) == notices() == []

    shown = change.add_app(admin, sealed, code_at(secret, NOON), me(admin), NOON)

    kept = AuthenticatorApp.objects.get(user_id=admin.id)
    assert secret not in kept.sealed_secret.encode()
    assert codes.typed_secret(secret).replace("-", "") not in kept.sealed_secret
    assert sealing.unseal(kept.sealed_secret) == secret
    assert len(set(shown)) == 10
    assert acts(admin) == ["authenticator_app_added"]
    assert notices() == ["app_added"]
    with pytest.raises(AppThere):
        give_app(admin, LATER)


def test_a_set_up_page_is_its_persons_and_does_not_last(admin: User) -> None:
    sealed = change.begin_app(admin, NOON)
    assert change.secret_of(admin, sealed, NOON + timedelta(minutes=15))
    with pytest.raises(SetupOver):
        change.secret_of(admin, sealed, NOON + timedelta(minutes=15, seconds=1))
    for other in (make_user("other@falcon.test"), admin):
        with pytest.raises(SetupOver):
            change.secret_of(other, sealed if other != admin else sealed[:-4] + "AAAA", NOON)


def test_a_code_works_once(admin: User) -> None:
    secret, _ = give_app(admin, NOON)
    with pytest.raises(WrongCode):  # the one that set it up
        check.by_app(admin, code_at(secret, NOON), Act.SIGN_IN, None, NOON)
    check.by_app(admin, code_at(secret, LATER), Act.SIGN_IN, None, LATER)
    with pytest.raises(WrongCode):
        check.by_app(admin, code_at(secret, LATER), Act.SIGN_IN, None, LATER)
    with pytest.raises(WrongCode):  # an earlier one, still in the window, is used up with it
        check.by_app(admin, code_at(secret, LATER - timedelta(seconds=30)), Act.SIGN_IN, None, LATER)
    assert acts(admin) == ["authenticator_app_added", "signed_in"]


def _rush(count: int, act: Callable[[], None]) -> int:
    """So many at the same moment; how many came through."""

    def once(_: int) -> bool:
        try:
            act()
        except (WrongCode, LastFactor):
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(once, range(count)))


def test_one_code_at_the_same_moment_works_once_and_the_control_shows_why(
    real_db: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_operator()
    admin = make_company().admin
    secret, _ = give_app(admin, NOON)
    together = Barrier(4)
    real = codes.step_of

    def at_once(key: bytes, typed: str, now: datetime) -> int | None:
        found = real(key, typed, now)
        together.wait(10)  # all have read the row, none has written
        return found

    monkeypatch.setattr(codes, "step_of", at_once)
    typed = code_at(secret, LATER)
    assert _rush(4, lambda: check.by_app(admin, typed, Act.SIGN_IN, None, LATER)) == 1
    assert acts(admin) == ["authenticator_app_added", "signed_in"]

    def looked_at_first(user: User, typed: str, now: datetime) -> bool:
        app = AuthenticatorApp.objects.get(user_id=user.id)
        step = codes.step_of(sealing.unseal(app.sealed_secret), typed, now)
        if step is None or step <= app.last_step:
            return False
        AuthenticatorApp.objects.filter(user_id=user.id).update(last_step=step)
        return True

    monkeypatch.setattr(check, "_take_app_code", looked_at_first)
    later = LATER + timedelta(minutes=1)
    again = code_at(secret, later)
    assert _rush(4, lambda: check.by_app(admin, again, Act.SIGN_IN, None, later)) == 4


def test_two_removals_at_once_leave_staff_with_one_and_the_control_shows_why(
    real_db: object, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.STAFF_SECOND_FACTOR_REQUIRED = True
    make_operator()
    staff = make_user("support@operator.test", staff_role=StaffRole.SUPPORT)

    def removed() -> int:
        give_app(staff, NOON)
        passkey = give_passkey(staff)
        ways = [partial(change.remove_app, staff), partial(change.remove_passkey, staff, passkey.id)]
        return _rush(2, lambda: ways.pop()(me(staff), NOON))

    assert removed() == 1
    assert held.of(staff.id).count == 1

    Passkey.objects.all().delete()
    AuthenticatorApp.objects.all().delete()
    together = Barrier(2)
    real = change._leave_one

    def at_once(user: User, before: held.Held) -> None:
        together.wait(10)  # both have counted two
        real(user, before)

    monkeypatch.setattr(change, "_leave_one", at_once)
    monkeypatch.setattr(change, "_lock", lambda _: None)
    assert removed() == 2
    assert held.of(staff.id).count == 0


# -- guessing


def test_five_wrong_codes_lock_for_a_quarter_of_an_hour_from_everywhere(admin: User) -> None:
    secret, shown = give_app(admin, NOON)
    for place in range(5):
        with pytest.raises(WrongCode):
            check.by_app(admin, "000000x", Act.SIGN_IN, f"192.0.2.{place}", LATER)
    right = code_at(secret, LATER)
    with pytest.raises(TooManyCodes):
        check.by_app(admin, right, Act.SIGN_IN, "192.0.2.77", LATER)
    with pytest.raises(TooManyCodes):
        check.by_recovery_code(admin, shown[0], Act.SIGN_IN, None, LATER)
    assert RecoveryCode.objects.filter(user_id=admin.id, used_at=None).count() == 10

    after = LATER + PROOF.window
    check.by_app(admin, code_at(secret, after), Act.SIGN_IN, None, after)
    with pytest.raises(WrongCode):  # counted anew
        check.by_app(admin, "000000", Act.SIGN_IN, None, after)


def test_twenty_wrong_codes_lock_for_the_day(admin: User) -> None:
    secret, _ = give_app(admin, NOON)
    now = NOON
    for number in range(PROOF_DAY.tries_max):
        if number % PROOF.tries_max == 0:
            now += PROOF.window
        with pytest.raises(WrongCode):
            check.by_app(admin, "", Act.SIGN_IN, None, now)
    now += PROOF.window
    with pytest.raises(TooManyCodes):
        check.by_app(admin, code_at(secret, now), Act.SIGN_IN, None, now)
    now = NOON + PROOF.window + PROOF_DAY.window
    check.by_app(admin, code_at(secret, now), Act.SIGN_IN, None, now)


def test_the_password_of_who_is_in_cannot_be_guessed_either(admin: User) -> None:
    for _ in range(5):
        with pytest.raises(WrongPassword):
            check.by_password(admin, "wrong", None, NOON)
    with pytest.raises(TooManyCodes):
        check.by_password(admin, "wrong", None, NOON)
    assert acts(admin) == []


# -- recovery codes


def test_recovery_codes_are_kept_with_argon2id() -> None:
    """The smallest parameters that OWASP names."""
    salt = codes.new_salt()
    expected = hash_secret_raw(b"ABCDEFGHJKMN", salt, 2, 19 * 1024, 1, 32, Type.ID)
    assert codes.recovery_digest("abcd-efgh jkmn", salt) == expected
    assert codes.recovery_digest("ABCDEFGHJKMN", codes.new_salt()) != expected


def test_a_recovery_code_works_once_and_is_not_readable(admin: User) -> None:
    _, shown = give_app(admin, NOON)
    rows = RecoveryCode.objects.filter(user_id=admin.id)
    plain = [code.replace("-", "").encode() for code in shown]
    assert not any(code in bytes(row.digest) or code in bytes(row.salt) for row in rows for code in plain)

    check.by_recovery_code(admin, shown[3].lower().replace("-", " "), Act.SIGN_IN, None, LATER)
    for wrong in (shown[3], "ABCD-EFGH-JKMN", "", "é" * 40):
        with pytest.raises(WrongRecoveryCode):
            check.by_recovery_code(admin, wrong, Act.SIGN_IN, None, LATER)
    assert rows.filter(used_at=LATER).count() == 1
    assert notices() == ["app_added", "code_used"]

    new = change.renew_codes(admin, me(admin), LATER)
    with pytest.raises(WrongRecoveryCode):
        check.by_recovery_code(admin, shown[5], Act.SIGN_IN, None, LATER)
    assert len(new) == held.of(admin.id).codes_left == 10
    assert notices()[-1] == "codes_made"


def test_codes_come_with_the_first_factor_and_go_with_the_last(admin: User) -> None:
    assert change.renew_codes(admin, me(admin), NOON) == []
    passkey = give_passkey(admin)
    assert held.of(admin.id).codes_left == 10
    assert give_app(admin, NOON)[1] == []
    assert change.remove_passkey(admin, passkey.id, me(admin), NOON)
    assert held.of(admin.id).codes_left == 10
    change.remove_app(admin, me(admin), NOON)
    assert not RecoveryCode.objects.filter(user_id=admin.id).exists()
    assert acts(admin) == [
        "passkey_added",
        "authenticator_app_added",
        "passkey_removed",
        "authenticator_app_removed",
    ]
    assert notices() == ["passkey_added", "app_added", "passkey_removed", "app_removed"]


# -- staff, other people, changes


def test_staff_keep_one_factor(support: User) -> None:
    assert held.is_missing(support)
    give_app(support, NOON)
    assert not held.is_missing(support)
    with pytest.raises(LastFactor):
        change.remove_app(support, me(support), NOON)
    assert held.of(support.id).app
    assert held.of(support.id).codes_left == 10
    give_passkey(support)
    change.remove_app(support, me(support), NOON)
    [passkey] = held.of(support.id).passkeys
    with pytest.raises(LastFactor):
        change.remove_passkey(support, passkey.id, me(support), NOON)
    assert held.of(support.id).count == 1


def test_the_demos_switch_takes_the_duty_away(support: User, settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR_REQUIRED = False
    assert not held.is_missing(support)
    give_app(support, NOON)
    change.remove_app(support, me(support), NOON)


def test_another_persons_passkey_is_not_there(admin: User) -> None:
    theirs = give_passkey(make_user("other@falcon.test"))
    assert not change.remove_passkey(admin, theirs.id, me(admin), NOON)
    assert not change.rename_passkey(admin, theirs.id, "mine", me(admin), NOON)
    theirs.refresh_from_db()
    assert theirs.name == "phone"


def test_a_change_ends_sessions_and_is_undone_as_a_whole(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_app(admin, NOON)
    assert User.objects.get(id=admin.id).sessions_valid_from == NOON

    def fails(*_: object) -> None:
        raise RuntimeError("no job")

    monkeypatch.setattr(change, "tell", fails)
    with pytest.raises(RuntimeError):
        change.remove_app(admin, me(admin), LATER)
    assert held.of(admin.id).app
    assert acts(admin) == ["authenticator_app_added"]
    assert User.objects.get(id=admin.id).sessions_valid_from == NOON


def test_a_reset_for_who_has_lost_all(support: User) -> None:
    give_app(support, NOON)
    give_passkey(support)
    other = make_user("other@falcon.test")
    give_app(other, NOON)
    with pytest.raises(NobodyThere):
        change.reset("nobody@operator.test", COMMAND_LINE, LATER)

    assert change.reset(" Support@operator.test ", COMMAND_LINE, LATER) == 2

    has = held.of(support.id)
    assert (has.count, has.codes_left) == (0, 0)
    assert held.is_missing(support)
    assert held.of(other.id).count == 1
    assert User.objects.get(id=support.id).sessions_valid_from == LATER
    entry = OperatorAuditEntry.objects.get(action="factors_reset")
    assert (entry.actor_role, entry.object_id) == ("command_line", str(support.id))
    assert notices()[-1] == "factors_reset"


def test_the_command_resets_and_refuses_a_stranger(support: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raseed.cli._set_up", lambda: None)
    give_app(support, NOON)
    unknown = CliRunner().invoke(cli, ["operator", "reset-factors", "nobody@operator.test"])
    assert (unknown.exit_code, held.of(support.id).count) == (1, 1)
    done = CliRunner().invoke(cli, ["operator", "reset-factors", support.email])
    assert (done.exit_code, held.of(support.id).count) == (0, 0), done.output


# -- keys


def test_a_new_key_in_front_keeps_the_old_secrets(admin: User, settings: Settings) -> None:
    secret, _ = give_app(admin, NOON)
    old = settings.FACTOR_KEYS
    settings.FACTOR_KEYS = ("n" * 50, *old)
    check.by_app(admin, code_at(secret, LATER), Act.SIGN_IN, None, LATER)
    settings.FACTOR_KEYS = ("n" * 50,)
    later = LATER + timedelta(minutes=1)
    with pytest.raises(WrongCode):
        check.by_app(admin, code_at(secret, later), Act.SIGN_IN, None, later)
    assert AuthenticatorApp.objects.get(user_id=admin.id).last_step == int(LATER.timestamp()) // 30
