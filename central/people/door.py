"""Addresses under the names that django-allauth asks for. Only these of its views can be reached."""

from allauth.account.views import reauthenticate
from allauth.mfa.base.views import authenticate
from allauth.mfa.base.views import reauthenticate as confirm_by_code
from allauth.mfa.recovery_codes.views import generate_recovery_codes, view_recovery_codes
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from django.urls import path
from django.views.decorators.http import require_http_methods

from central.people import account, oidc, views
from central.people.access import open_to_all, own_account

urlpatterns = [
    path(
        "login/code/",
        open_to_all(require_http_methods(["GET", "HEAD", "POST"])(authenticate)),
        name="mfa_authenticate",
    ),
    path("login/with/<str:provider_id>/", oidc.begin, name="openid_connect_login"),
    path("login/with/<str:provider_id>/back/", oidc.callback, name="openid_connect_callback"),
    path("login/", views.log_in, name="account_login"),
    path("account/", account.overview, name="mfa_index"),
    path("account/confirm/", own_account(reauthenticate), name="account_reauthenticate"),
    path("account/confirm/code/", own_account(confirm_by_code), name="mfa_reauthenticate"),
    path("account/second-factor/", own_account(activate_totp), name="mfa_activate_totp"),
    path("account/second-factor/remove/", own_account(deactivate_totp), name="mfa_deactivate_totp"),
    path("account/recovery-codes/", own_account(view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "account/recovery-codes/new/",
        own_account(generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
]
