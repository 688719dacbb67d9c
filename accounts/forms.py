"""What people type on the account pages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import RunMail, TokenRole, User

MAX_TOKEN_REPOS = 50
_REPO_LINE = re.compile(r"(?:(models|datasets)/)?([\w.-]{1,96}/[\w.-]{1,96})(?:\s+(read|write))?", re.ASCII)
_NAME_ATTRS = {"autocomplete": "username", "autofocus": True, "autocapitalize": "none"}


class LoginForm(forms.Form):
    """Name and password; whether they are right is the view's question."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        widget=forms.TextInput(attrs=_NAME_ATTRS),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class SignUpForm(forms.Form):
    """A new account; `accounts.actions.sign_up` has the last word on name and password."""

    username = forms.CharField(
        label=_("Username"),
        max_length=42,
        help_text=_("Your repos are named after it: letters, digits, '-', '_' and '.'."),
        widget=forms.TextInput(attrs=_NAME_ATTRS),
    )
    email = forms.EmailField(
        label=_("Email"), required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=1000,
        strip=False,
        help_text=password_validators_help_text_html,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PasswordForm(forms.Form):
    """The password in use and the one to come."""

    old = forms.CharField(
        label=_("Current password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=_("New password"),
        max_length=1000,
        strip=False,
        help_text=password_validators_help_text_html,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class ProfileForm(forms.ModelForm):
    """What others see, and the address the hub writes to."""

    run_mail = forms.ChoiceField(
        label=_("Mail about my runs"),
        required=False,
        choices=[
            (RunMail.NOTABLE, _("when one fails, or took long")),
            (RunMail.ALL, _("whenever one ends")),
            (RunMail.NONE, _("never")),
        ],
        help_text=_("To the address above. Runs that you cancel yourself are not mentioned."),
    )

    class Meta:
        model = User
        fields = ("fullname", "bio", "email", "run_mail")
        labels: ClassVar = {"fullname": _("Full name"), "bio": _("About you"), "email": _("Email")}
        widgets: ClassVar = {"bio": forms.Textarea(attrs={"rows": 3})}


class TokenForm(forms.Form):
    """A new access token."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What it is for, so that you know which to revoke.")
    )
    role = forms.ChoiceField(
        label=_("May"),
        initial=TokenRole.READ,
        choices=[
            (TokenRole.READ, _("read everything I can read")),
            (TokenRole.WRITE, _("read and write as I can")),
            (TokenRole.FINE_GRAINED, _("reach only the repos listed below")),
        ],
    )
    repos = forms.CharField(
        label=_("Repos"),
        required=False,
        max_length=20_000,
        help_text=_("One a line: owner/name, or datasets/owner/name, then read or write."),
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "owner/model write"}),
    )
    expires = forms.TypedChoiceField(
        label=_("Expires"),
        coerce=int,
        initial=0,
        choices=[(0, _("never")), (30, _("in 30 days")), (90, _("in 90 days")), (365, _("in a year"))],
    )

    def clean_repos(self) -> dict[str, str]:
        """`{"model:ns/name": "write"}`; a sentence naming the line that cannot be read."""
        listed: dict[str, str] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["repos"].splitlines())):
            match = _REPO_LINE.fullmatch(line)
            if not match:
                raise ValidationError(_("Cannot read %(line)s as a repo.") % {"line": repr(line[:80])})
            listed[f"{(match[1] or 'models')[:-1]}:{match[2]}"] = match[3] or "read"
        if len(listed) > MAX_TOKEN_REPOS:
            raise ValidationError(_("A token lists at most %(most)d repos.") % {"most": MAX_TOKEN_REPOS})
        return listed

    def clean(self) -> dict[str, Any]:
        """A fine-grained token without repos could do nothing."""
        data = super().clean() or {}
        if data.get("role") == TokenRole.FINE_GRAINED and "repos" in data and not data["repos"]:
            self.add_error("repos", _("List at least one repo."))
        return data

    def expires_at(self) -> datetime | None:
        """When the token ends, from the days chosen."""
        days = self.cleaned_data["expires"]
        return timezone.now() + timedelta(days=days) if days else None
