"""Django's settings, made from the checked environment (environment.py)."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from raseed.config.environment import CARD_LIMITS as CARD_LIMITS_USUAL
from raseed.config.environment import PROJECT_DIR, Mode, database_settings, load

ENVIRONMENT = load()
PRODUCTION = ENVIRONMENT.raseed_env is Mode.PRODUCTION

DEBUG = False
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
PUBLIC_URL = ENVIRONMENT.public_url
# How many proxies of our own write X-Forwarded-For; what stands left of theirs is the client's claim.
PROXIES_IN_FRONT = ENVIRONMENT.proxies_in_front

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "procrastinate.contrib.django",
    "raseed.audit",
    "raseed.events",
    "raseed.gateways",
    "raseed.accounts",
    "raseed.accounts.factors",
    "raseed.ledger",
    "raseed.balance",
    "raseed.payments",
    "raseed.payments.recharge",
    "raseed.payments.cards",
    "raseed.documents",
    "raseed.notifications",
    "raseed.api",
    "raseed.portal",
    "raseed.backoffice",
]

MIDDLEWARE = [
    # First, so that a webhook that finds no place costs next to nothing.
    "raseed.api.webhooks.Gate",
    # Before anything reads a cookie.
    "raseed.api.v1.WithoutCookies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Before everything that may answer in a view's place, so that every answer has these headers.
    "raseed.accounts.middleware.PrivatePages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "raseed.accounts.middleware.SessionLimits",
    "raseed.accounts.middleware.ReaderLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "raseed.config.urls"
WSGI_APPLICATION = "raseed.config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "raseed.portal.context.frame",
            ],
        },
    },
]

_app_database = database_settings(ENVIRONMENT.database_url)
_owner_database = database_settings(ENVIRONMENT.database_owner_url or ENVIRONMENT.database_url)
if ENVIRONMENT.raseed_env is not Mode.TEST:
    _app_database["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": ENVIRONMENT.database_pool_max,
        # A person waits this long for a free connection before the page says that we are busy.
        "timeout": 2,
    }
    # After a crash or a cut line a pooled connection is replaced before a page meets it.
    _app_database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _app_database, "owner": _owner_database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- people --------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
# Seal the secrets of authenticator apps; the first one seals, all of them open.
FACTOR_KEYS = ENVIRONMENT.factor_keys
STAFF_SECOND_FACTOR_REQUIRED = ENVIRONMENT.staff_second_factor == "required"
LOGIN_URL = "portal:login"
LOGIN_REDIRECT_URL = "portal:balance"
LOGOUT_REDIRECT_URL = "portal:login"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
PASSWORD_RESET_TIMEOUT = 60 * 60  # seconds
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    # PCI DSS 4.0.1, requirement 8.3.6: at least twelve characters.
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Seconds a session may idle and last: OWASP ASVS 5.0, 7.3.1 and 7.3.2.
SESSION_IDLE_S = {"user": 30 * 60, "staff": 15 * 60}
SESSION_ABSOLUTE_S = {"user": 12 * 60 * 60, "staff": 8 * 60 * 60}
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
if PRODUCTION:
    # Browsers drop Secure and __Host- cookies that come over plain HTTP, which is all that the demo speaks.
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# -- gateways ------------------------------------------------------------------------------------------------
GATEWAY = ENVIRONMENT.gateway
GATEWAY_TIMEOUT_S = ENVIRONMENT.gateway_timeout_s
GATEWAY_REQUESTS_PER_S = ENVIRONMENT.gateway_requests_per_s
GATEWAY_WAITS_MAX = ENVIRONMENT.gateway_waits_max
CARD_PAGE = ENVIRONMENT.card_page
# How often cards may be tried: the fields of payments.cards.limits.CardLimits.
CARD_LIMITS = CARD_LIMITS_USUAL | ENVIRONMENT.card_limits
SANDBOX_URL = ENVIRONMENT.sandbox_url
SANDBOX_SECRET_KEY = ENVIRONMENT.sandbox_secret_key
SANDBOX_WEBHOOK_SECRET = ENVIRONMENT.sandbox_webhook_secret
SANDBOX_WEBHOOK_SECRET_BEFORE = ENVIRONMENT.sandbox_webhook_secret_before
STRIPE_SECRET_KEY = ENVIRONMENT.stripe_secret_key
STRIPE_WEBHOOK_SECRET = ENVIRONMENT.stripe_webhook_secret
STRIPE_WEBHOOK_SECRET_BEFORE = ENVIRONMENT.stripe_webhook_secret_before
STRIPE_API_BASE = ENVIRONMENT.stripe_api_base
STRIPE_PUBLISHABLE_KEY = ENVIRONMENT.stripe_publishable_key
STRIPE_JS_ORIGIN = ENVIRONMENT.stripe_js_origin
# Whether a new card is typed in the gateway's form within our own page, for what is begun from now on.
CARD_FORM = ENVIRONMENT.gateway == "stripe" and ENVIRONMENT.stripe_page == "element"
MOYASAR_SECRET_KEY = ENVIRONMENT.moyasar_secret_key
MOYASAR_WEBHOOK_SECRET = ENVIRONMENT.moyasar_webhook_secret
MOYASAR_WEBHOOK_SECRET_BEFORE = ENVIRONMENT.moyasar_webhook_secret_before
MOYASAR_API_BASE = ENVIRONMENT.moyasar_api_base
WEBHOOK_TOLERANCE_S = ENVIRONMENT.webhook_tolerance_s
WEBHOOKS_AT_ONCE = ENVIRONMENT.webhooks_at_once
API_REQUESTS_PER_MINUTE = ENVIRONMENT.api_requests_per_minute
# Where our own webhooks may go beside the public internet, and whether they must be encrypted on the way.
WEBHOOK_NETWORKS = tuple(ip_network(text) for text in ENVIRONMENT.webhook_networks)
WEBHOOK_HTTPS_ONLY = PRODUCTION
_bank = urlsplit(ENVIRONMENT.sandbox_public_url or ENVIRONMENT.sandbox_url)
# The card page's origins: a form post that redirects to the bank needs them in form-action, its iframe in frame-src.
BANK_ORIGINS = {
    "stripe": list(ENVIRONMENT.stripe_page_origins),
    "moyasar": list(ENVIRONMENT.moyasar_page_origins),
}.get(GATEWAY, [f"{_bank.scheme}://{_bank.netloc}"])

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # A script runs if it bears the nonce of its own answer; an answer without a script allows none.
        "script-src": [NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF, *BANK_ORIGINS],
        "form-action": [SELF, *BANK_ORIGINS],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "base-uri": [NONE],
        # Not report-to: it needs HTTPS, waits up to a minute, and not every browser knows it.
        "report-uri": ["/csp-reports"],
    },
}

# -- mail ----------------------------------------------------------------------------------------------------
_smtp = urlsplit(ENVIRONMENT.smtp_url)
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = _smtp.hostname or "localhost"
EMAIL_PORT = _smtp.port or (465 if _smtp.scheme == "smtps" else 587)
EMAIL_HOST_USER = unquote(_smtp.username or "")
EMAIL_HOST_PASSWORD = unquote(_smtp.password or "")
EMAIL_USE_SSL = _smtp.scheme == "smtps"
EMAIL_USE_TLS = _smtp.scheme == "smtp+starttls"
EMAIL_TIMEOUT = 10
MAILBOX_DIR = ENVIRONMENT.mailbox_dir

# -- language and time ---------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ar", _("Arabic"))]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [PROJECT_DIR / "src" / "raseed" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# -- files ---------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [ENVIRONMENT.static_dir]
STATIC_ROOT = ENVIRONMENT.static_dir.parent / "collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if ENVIRONMENT.raseed_env is not Mode.TEST
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = ENVIRONMENT.raseed_env is Mode.TEST
FONTS_DIR = ENVIRONMENT.fonts_dir

# -- jobs ----------------------------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_IMPORT_PATHS = ["raseed.jobs"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"tokens": {"()": "raseed.config.logs.WithoutTokens"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tokens"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        # At INFO it tells of each request, at DEBUG what was in it.
        "stripe": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
    },
}
