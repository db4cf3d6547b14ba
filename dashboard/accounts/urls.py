"""Sign-in and people; django-allauth's own URLs, with their names as they are."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("allauth.urls"))]
