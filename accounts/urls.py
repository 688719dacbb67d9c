"""Account pages."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from accounts import (
    device_views,
    languages,
    mail_views,
    organizations,
    preferences,
    themes,
    token_views,
    views,
)

urlpatterns = [
    path("login", views.log_in, name="login"),
    path("join", views.sign_up, name="signup"),
    path("logout", views.log_out, name="logout"),
    path("language", languages.set_language, name="language"),
    path("theme", themes.set_theme, name="theme"),
    path("device", device_views.device, name="device"),
    path("settings", RedirectView.as_view(pattern_name="settings")),
    path("settings/profile", views.profile_settings, name="settings"),
    path("settings/preferences", preferences.preferences, name="preferences"),
    path("settings/mail/stop/<str:signed>", mail_views.stop, name="mail-stop"),
    path("settings/mail/verify", mail_views.send_again, name="mail-verify-again"),
    path("settings/mail/verify/<str:signed>", mail_views.verify, name="mail-verify"),
    path("settings/password", views.password, name="password"),
    path("settings/tokens", token_views.tokens, name="tokens"),
    path("settings/tokens/<int:pk>/revoke", token_views.revoke, name="token-revoke"),
    path("settings/logins/<int:pk>/end", device_views.end_login, name="login-end"),
    path("settings/organizations", organizations.organizations, name="organizations"),
    path("settings/organizations/<str:name>", organizations.organization, name="organization-settings"),
    path(
        "settings/organizations/<str:name>/members/<str:username>/remove",
        organizations.remove_member,
        name="member-remove",
    ),
]
