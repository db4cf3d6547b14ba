"""Sign-in and one's own account: django-allauth's views under its own names, and only those that work here.

Left out, because nobody signs up and nothing is mailed: signup, e-mail addresses and their confirmation, password reset
and login codes by e-mail. A forgotten password is set anew by an administrator, or by `manage.py changepassword NAME`.
"""

from __future__ import annotations

from allauth.account import views
from allauth.mfa.webauthn.views import login_webauthn
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path

from dashboard.accounts.views import change_password, sign_in

urlpatterns = [
    path("login/", sign_in, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", change_password, name="account_change_password"),
    path("2fa/webauthn/login/", login_not_required(login_webauthn), name="mfa_login_webauthn"),  # with a passkey
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("", include("dashboard.accounts.tokens.urls")),
    path("", include("dashboard.accounts.people.urls")),
]

if settings.OIDC_URL:
    from dashboard.accounts.single_sign_on import come_back, start

    urlpatterns += [
        path("oidc/<slug:provider_id>/login/", start, name="openid_connect_login"),
        path("oidc/<slug:provider_id>/login/callback/", come_back, name="openid_connect_callback"),
    ]
