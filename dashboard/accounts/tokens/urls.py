"""URLs of API tokens, below /accounts/."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts.tokens import views

app_name = "tokens"
urlpatterns = [
    path("tokens/", views.token_list, name="list"),  # ?of=everybody
    path("tokens/new/", views.new_token, name="new"),
    path("tokens/<int:token_id>/revoke/", views.revoke, name="revoke"),  # POST
]
