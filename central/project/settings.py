"""Django settings, made from `central.project.environment`. Nothing here has a default secret."""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from central.project import environment, logs, oidc_config
from protocol.clock import SystemClock

PATROL = environment.read()
"""What the operator gave, checked."""

PATROL_CLOCK = PATROL.clock or SystemClock()
"""The clock of all product code; tests put a `ManualClock` here, a simulated day one that runs fast."""

HOUSE = Path(__file__).resolve().parent.parent

SECRET_KEY = environment.secret_key(PATROL.data)
DEBUG = False
ALLOWED_HOSTS = PATROL.allowed_hosts
CSRF_TRUSTED_ORIGINS = list(PATROL.origins)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "js_lib_leaflet",
    "central.people",
    "central.live",
    "central.fleet",
    "central.grids",
    "central.cases",
    "central.clocks",
    "central.dispatch",
    "central.parking",
    "central.owners",
    "central.notices",
    "central.bays",
    "central.driver",
    "central.field",
    "central.ingest",
    "central.contact",
    "central.shops",
    "central.voice",
    "central.hotline",
    "central.iot",
    "central.open311",
    "central.webhooks",
    "central.statistics",
    "central.administration",
    "central.operations",
    "central.pages",
    # Behind ours, so that our pages take the place of theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "central.project.measuring.Measured",
    "django.middleware.security.SecurityMiddleware",
    "central.project.middleware.StaticFiles",
    "central.project.middleware.PageHeaders",
    "central.project.middleware.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "central.people.sessions.IdleEnd",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "central.people.access.RoleRequired",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "central.project.urls"
ASGI_APPLICATION = "central.project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "central.pages.appearance.appearance",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static"],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {"environment": "central.driver.pages.environment"},
    },
]

DATABASES = {"default": environment.database(PATROL.database_url, PATROL.data)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
LOGIN_URL = "people:login"
LOGIN_REDIRECT_URL = "pages:home"
LOGOUT_REDIRECT_URL = "people:login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

# Nobody signs up here: people are added by an administrator. Guessing is braked by `central.people.services`, in the
# database and so over all processes; the library's own brake, which counts in each process, is off.
ACCOUNT_ADAPTER = "central.people.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
ACCOUNT_LOGIN_TIMEOUT = 10 * 60
MFA_ADAPTER = "central.people.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Street Patrol"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {
    "authenticate": "central.people.second_factor.EnterCodeForm",
    "reauthenticate": "central.people.second_factor.ConfirmByCodeForm",
}
SOCIALACCOUNT_ADAPTER = "central.people.adapters.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 8
PATROL_OIDC = oidc_config.read(PATROL.oidc_file) if PATROL.oidc_file else None
SOCIALACCOUNT_PROVIDERS = oidc_config.providers(PATROL_OIDC)

LANGUAGE_CODE = PATROL.language
LANGUAGES = [("zh-hans", _("Chinese")), ("en", _("English"))]
LOCALE_PATHS = [HOUSE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = PATROL.time_zone

STATIC_URL = "/static/"
STATIC_ROOT = PATROL.data / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "central.field.icons.IconFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "central.project.storage.StaticStorage"},
}

SESSION_COOKIE_NAME = "patrol_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = PATROL.https
SESSION_COOKIE_AGE = 12 * 3600
"""One long shift."""

CSRF_COOKIE_NAME = "patrol_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = PATROL.https
CSRF_FAILURE_VIEW = "central.pages.errors.csrf_failed"
LANGUAGE_COOKIE_NAME = "patrol_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = PATROL.https

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PATROL.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600

DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 50

LOGGING = logs.configuration(PATROL.log_format)
