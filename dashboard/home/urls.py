"""The front door: /, /healthz, /metrics."""

from __future__ import annotations

from django.urls import path

from dashboard.home import views

app_name = "home"
urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("i18n/language/", views.set_language, name="set-language"),
]
