"""The front door: /, /healthz, what browsers report."""

from __future__ import annotations

from django.urls import path

from dashboard.home import views
from dashboard.policy_reports import policy_report

app_name = "home"
urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("policy-report/", policy_report, name="policy-report"),
    path("i18n/language/", views.set_language, name="set-language"),
]
