"""All settings, from the environment (docs/settings.md); secure by default."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from dashboard.environment import (
    env_bool,
    env_directory,
    env_float,
    env_hosts,
    env_int,
    env_list,
    env_mac_pools,
    env_origins,
    env_secret,
    env_text,
    env_url_with_extra,
)
from dashboard.runtime import runtime_directory

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_text("GUESTHOUSE_DATA_DIR", str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
RUNTIME_DIR = runtime_directory(DATA_DIR)

DEBUG = env_bool("GUESTHOUSE_DEBUG")


def _secret_key() -> str:
    """From the environment, else made once and kept in the data directory (0600)."""
    if key := env_secret("GUESTHOUSE_SECRET_KEY"):
        if len(key) < 50:
            raise ImproperlyConfigured("GUESTHOUSE_SECRET_KEY must have 50 characters or more.")
        return key
    path = DATA_DIR / "secret_key"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(60))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = [key.strip() for key in env_secret("GUESTHOUSE_SECRET_KEY_FALLBACKS").split(",") if key.strip()]

# The door: everything about names, schemes and cookies follows from the public origins.
PORT = env_int("PORT", 8000)
LISTEN = env_text("GUESTHOUSE_LISTEN", "127.0.0.1")
ORIGINS = env_origins("GUESTHOUSE_URL", f"http://127.0.0.1:{PORT},http://localhost:{PORT}")
HTTPS = ORIGINS[0].startswith("https://")
ALLOWED_HOSTS = sorted(
    {origin.partition("://")[2].rpartition(":")[0] or origin.partition("://")[2] for origin in ORIGINS}
)
CSRF_TRUSTED_ORIGINS = ORIGINS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "guesthouse_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "guesthouse_csrf"
LANGUAGE_COOKIE_NAME = "__Host-language" if HTTPS else "guesthouse_language"
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no third cookie
SESSION_ENGINE = "dashboard.accounts.session_limits"
SESSION_HOURS = env_float("GUESTHOUSE_SESSION_HOURS", 14 * 24.0)  # from the sign-in, whatever happens meanwhile
SESSION_IDLE_HOURS = env_float("GUESTHOUSE_SESSION_IDLE_HOURS", 24.0)  # since the person last did something
SESSION_COOKIE_AGE = int(SESSION_HOURS * 3600)
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env_bool("GUESTHOUSE_HSTS_SUBDOMAINS")
SECURE_HSTS_PRELOAD = env_bool("GUESTHOUSE_HSTS_PRELOAD")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Only behind a proxy that sets the header itself and strips what clients send; it also redirects http.
BEHIND_PROXY = env_bool("GUESTHOUSE_BEHIND_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # redirecting http is the proxy's: behind one, only it sees the scheme

POLICY_REPORTS = "/policy-report/"  # where browsers send what breaks the policy (dashboard/policy_reports.py)
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "report-uri": POLICY_REPORTS,
        # The newer way. Chromium takes it over https only, and then does not look at the older one.
        **({"report-to": "policy"} if HTTPS else {}),
    }
}

# People from other places (docs/accounts.md); the apps and URLs of one that is not named are absent.
OIDC_URL = env_url_with_extra("GUESTHOUSE_OIDC_URL", needs="jwt", package="django-allauth[socialaccount]")
OIDC_NAME = env_text("GUESTHOUSE_OIDC_NAME", "Single sign-on")
LDAP_WITHOUT_TLS = env_bool("GUESTHOUSE_LDAP_WITHOUT_TLS")
LDAP_URL = env_directory("GUESTHOUSE_LDAP_URL", plain=LDAP_WITHOUT_TLS)
SINGLE_SIGN_ON_MAKES_PEOPLE = env_bool("GUESTHOUSE_SINGLE_SIGN_ON_MAKES_PEOPLE", default=True)

INSTALLED_APPS = [
    "django.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "dashboard.apps.OwnStaticFiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    *(["allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"] if OIDC_URL else []),
    "guests",
    "consoles",
    "dashboard.apps.DashboardConfig",
]

MIDDLEWARE = [
    *(["dashboard.accounts.addresses.ClientAddressMiddleware"] if BEHIND_PROXY else []),
    "dashboard.middleware.GuesthouseMiddleware",  # outermost: what the others refuse carries its headers, too
    "dashboard.api.door.APIDoor",  # before anything that reads cookies
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.rates.RatesMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.accounts.session_limits.ActivityMiddleware",
    "dashboard.middleware.SeenSometimesMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.time_limit.BoundedReads",  # innermost: its bound is the view's
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "dashboard.context.page",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    """SQLite in the data directory, tuned for three processes (WAL, immediate writes), or what the URL says."""
    url = env_secret("GUESTHOUSE_DATABASE_URL")
    if url:
        import dj_database_url

        config: dict[str, Any] = dict(dj_database_url.parse(url))
    else:
        config = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "guesthouse.sqlite3")}
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "guests.access.backend.GrantBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    *(["dashboard.accounts.ldap.DirectoryBackend"] if LDAP_URL else []),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/guests/"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_ADAPTER = "dashboard.accounts.adapter.ClosedAccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
# Per name and address (adapter.py) and per address: a right password is refused, too, while it lasts.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/300s/key", "login": "30/m/ip"}
MFA_ADAPTER = "dashboard.accounts.second_factors.SecondFactorAdapter"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
USERSESSIONS_TRACK_ACTIVITY = True
USERSESSIONS_ADAPTER = "dashboard.accounts.sessions.SessionsAdapter"
SOCIALACCOUNT_ADAPTER = "dashboard.accounts.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": env_text("GUESTHOUSE_OIDC_CLIENT_ID"),
                "secret": env_secret("GUESTHOUSE_OIDC_SECRET"),
                "settings": {"server_url": OIDC_URL},
            }
        ],
    }
}
AUTH_LDAP_SERVER_URI = LDAP_URL
AUTH_LDAP_START_TLS = LDAP_URL.startswith("ldap://") and not LDAP_WITHOUT_TLS
AUTH_LDAP_BIND_DN = env_text("GUESTHOUSE_LDAP_BIND_DN")
AUTH_LDAP_BIND_PASSWORD = env_secret("GUESTHOUSE_LDAP_BIND_PASSWORD")
AUTH_LDAP_USER_DN_TEMPLATE = env_text("GUESTHOUSE_LDAP_USER_DN") or None  # uid=%(user)s,ou=people,dc=example,dc=org
AUTH_LDAP_BIND_AS_AUTHENTICATING_USER = AUTH_LDAP_USER_DN_TEMPLATE is not None  # who reads the name and address there
AUTH_LDAP_USER_ATTR_MAP = {"first_name": "givenName", "last_name": "sn", "email": "mail"}
if LDAP_URL:
    import ldap
    from django_auth_ldap.config import LDAPSearch

    # A directory that is silent must not hold up a sign-in, and what /etc/ldap/ldap.conf says must not weaken one.
    AUTH_LDAP_CONNECTION_OPTIONS: dict[int, Any] = {
        ldap.OPT_NETWORK_TIMEOUT: 5,
        ldap.OPT_TIMEOUT: 5,
        ldap.OPT_REFERRALS: 0,
    }
    if LDAP_URL.startswith("ldaps://") or AUTH_LDAP_START_TLS:
        AUTH_LDAP_CONNECTION_OPTIONS[ldap.OPT_X_TLS_REQUIRE_CERT] = ldap.OPT_X_TLS_DEMAND
        if ca_file := env_text("GUESTHOUSE_LDAP_CA_FILE"):
            AUTH_LDAP_CONNECTION_OPTIONS[ldap.OPT_X_TLS_CACERTFILE] = ca_file
        AUTH_LDAP_CONNECTION_OPTIONS[ldap.OPT_X_TLS_NEWCTX] = 0  # the last: it makes the others count
    AUTH_LDAP_USER_SEARCH = LDAPSearch(
        env_text("GUESTHOUSE_LDAP_BASE"), ldap.SCOPE_SUBTREE, env_text("GUESTHOUSE_LDAP_FILTER", "(uid=%(user)s)")
    )

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("pt-br", "Português (Brasil)")]
LOCALE_PATHS = [BASE_DIR / "dashboard" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env_text("GUESTHOUSE_TIME_ZONE", "UTC")

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "dashboard.staticfiles.HashedStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# How often somebody may ask, in each process; beyond it 429.
ACTIONS_PER_MINUTE = env_int("GUESTHOUSE_ACTIONS_PER_MINUTE", 120)  # of one person
ACTIONS_PER_GUEST_PER_MINUTE = env_int("GUESTHOUSE_ACTIONS_PER_GUEST_PER_MINUTE", 60)  # of all people
REQUESTS_PER_MINUTE = env_int("GUESTHOUSE_REQUESTS_PER_MINUTE", 3000)  # of one person, reading
REQUESTS_PER_ADDRESS_PER_MINUTE = env_int("GUESTHOUSE_REQUESTS_PER_ADDRESS_PER_MINUTE", 1200)  # without a session
REFUSED_HANDSHAKES_PER_MINUTE = env_int("GUESTHOUSE_REFUSED_HANDSHAKES_PER_MINUTE", 60)  # of one address
POLICY_REPORTS_PER_MINUTE = env_int("GUESTHOUSE_POLICY_REPORTS_PER_MINUTE", 60)  # of one address
REFUSALS_PER_MINUTE = env_int("GUESTHOUSE_REFUSALS_PER_MINUTE", 60)  # of one person; each is recorded
READING_SECONDS = env_float("GUESTHOUSE_READING_SECONDS", 10.0)  # of the database, for a page that only reads
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20  # as dashboard/http_request.py
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000  # a bulk act names each guest

# Hosts and how they are read.
HOSTS = env_hosts("GUESTHOUSE_HOSTS")
# Where other hosts reach a host with the memory of migrated guests, where that is not the address in its URI.
MIGRATION_ADDRESSES = env_hosts("GUESTHOUSE_MIGRATION_ADDRESSES")
TICK_SECONDS = env_float("GUESTHOUSE_TICK_SECONDS", 10.0)
OPEN_DEADLINE_SECONDS = env_float("GUESTHOUSE_OPEN_DEADLINE_SECONDS", 10.0)
KEEPALIVE_INTERVAL_SECONDS = 3  # a hung host is noticed after interval × (count + 1) = 12 s
KEEPALIVE_COUNT = 3
LEASE_SECONDS = 30
RESYNC_SECONDS = env_float("GUESTHOUSE_RESYNC_SECONDS", 180.0)  # how often every guest's XML is read without a reason
# Where directory and NFS pools are made on the hosts: a path never comes from a form.
STORAGE_ROOTS = env_list("GUESTHOUSE_STORAGE_ROOTS", "/var/lib/libvirt/pools")
STORAGE_SECONDS = env_float("GUESTHOUSE_STORAGE_SECONDS", 30.0)  # how often pools and volumes are read
# How often libvirt is asked to look into directories again for files that others made; 0: never by itself.
POOL_REFRESH_SECONDS = env_float("GUESTHOUSE_POOL_REFRESH_SECONDS", 300.0)
UPLOAD_HOURS = env_float("GUESTHOUSE_UPLOAD_HOURS", 24.0)  # after its last piece an upload is cancelled; 0: never
PICTURE_SECONDS = env_float("GUESTHOUSE_PICTURE_SECONDS", 10.0)  # how often a screen that is looked at is taken
ADDRESS_SECONDS = env_float("GUESTHOUSE_ADDRESS_SECONDS", 30.0)  # how often a guest is asked for its addresses
# How long an operation waits for its guest: for a balloon since it last moved, for the power button to be answered.
BALLOON_SECONDS = env_float("GUESTHOUSE_BALLOON_SECONDS", 30.0)
UNPLUG_SECONDS = env_float("GUESTHOUSE_UNPLUG_SECONDS", 20.0)  # for a device to be let go of by its guest
SHUT_DOWN_SECONDS = env_float("GUESTHOUSE_SHUT_DOWN_SECONDS", 60.0)

MAC_POOLS = env_mac_pools("GUESTHOUSE_MAC_POOLS")  # name, first, last; before the drivers' own ranges

# The audit record's head, kept outside the database; better on another disk or machine (docs/security.md).
AUDIT_HEADS = Path(env_text("GUESTHOUSE_AUDIT_HEADS", str(DATA_DIR / "audit-heads.log")))

# Where the processes meet.
CONSOLE_SOCKET = RUNTIME_DIR / "text.sock"  # web → console server: text consoles
HANDOFF_SOCKET = RUNTIME_DIR / "vnc.sock"  # web → console server: accepted connections of /websockify

# Consoles.
CONSOLES_PER_USER = env_int("GUESTHOUSE_CONSOLES_PER_USER", 10)
CONSOLES_PER_GUEST = env_int("GUESTHOUSE_CONSOLES_PER_GUEST", 16)  # QEMU's VNC server ends at 32
CONSOLES_PER_PROCESS = env_int("GUESTHOUSE_CONSOLES_PER_PROCESS", 600)
CONSOLE_HOURS = env_float("GUESTHOUSE_CONSOLE_HOURS", 12.0)  # of one console; 0: without an end
CONSOLE_IDLE_MINUTES = env_float(
    "GUESTHOUSE_CONSOLE_IDLE_MINUTES", 60.0
)  # without a key or a movement of the mouse; watchers have no such end
RECORD_CONSOLES = env_bool("GUESTHOUSE_RECORD_CONSOLES")  # of guests that say nothing else
CONSOLE_LOG_MIB = env_float("GUESTHOUSE_CONSOLE_LOG_MIB", 16.0)  # kept of each device; the oldest goes first
CONSOLE_LOG_DIR = DATA_DIR / "consoles"
# Recordings of graphical consoles, in MiB: the most of one, of all of one guest, and what must be left on the disk.
SCREEN_RECORDING_MIB = env_float("GUESTHOUSE_SCREEN_RECORDING_MIB", 256.0)
SCREEN_RECORDINGS_MIB = env_float("GUESTHOUSE_SCREEN_RECORDINGS_MIB", 2048.0)
RECORDING_FREE_MIB = env_float("GUESTHOUSE_RECORDING_FREE_MIB", 512.0)
SCREEN_RECORDING_DIR = DATA_DIR / "screens"
TICKET_SECONDS = 30
# ca-cert.pem, client-cert.pem and client-key.pem towards guests' VNC servers that want TLS; per host in a directory of
# the host's name.
VNC_TLS_DIR = Path(env_text("GUESTHOUSE_VNC_TLS_DIR", str(DATA_DIR / "vnc-tls")))

API_REQUESTS_PER_MINUTE = env_int("GUESTHOUSE_API_REQUESTS_PER_MINUTE", 600)  # of one token

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "dashboard.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["stderr"], "level": env_text("GUESTHOUSE_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "daphne": {"level": "WARNING"},
    },
}
