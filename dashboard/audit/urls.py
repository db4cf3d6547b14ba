"""URLs of the audit pages."""

from __future__ import annotations

from django.urls import path

from dashboard.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.audit_list, name="list"),
    path("export/", views.export, name="export"),
]
