"""Every URL of the product; the ones of issue and design are stable."""

from __future__ import annotations

from django.urls import include, path

from dashboard.api.api import api, document
from dashboard.api.reference import reference

urlpatterns = [
    path("accounts/", include("dashboard.accounts.urls")),
    path("audit/", include("dashboard.audit.urls")),
    path("hosts/", include("dashboard.hosts.urls")),
    path("status/", include("dashboard.status.urls")),
    path("api/", reference, name="api-reference"),
    path("api/v1/openapi.json", document, name="openapi"),
    path("api/v1/", api.urls),
    path("", include("dashboard.home.urls")),
    path("", include("consoles.urls")),
    path("", include("guests.urls")),
]

handler400 = "dashboard.errors.bad_request"
handler403 = "dashboard.errors.forbidden"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.failed"
