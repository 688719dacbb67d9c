"""Pages for groups: make one, and, as its admin, say who belongs to it."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts import actions
from accounts.models import Membership, Organization, Role, User
from accounts.views import PersonRequest


class NewOrganizationForm(forms.Form):
    """A new group; `accounts.actions.create_organization` has the last word on its name."""

    name = forms.CharField(
        label=lazy("Name"),
        max_length=42,
        help_text=lazy("Its repos are named after it, as yours are after you."),
    )
    fullname = forms.CharField(label=lazy("Full name"), max_length=100, required=False)
    private_by_default = forms.BooleanField(
        label=lazy("New repos start private unless their creator says otherwise"), required=False
    )


class OrganizationForm(forms.ModelForm):
    """What others see of the group, and how its repos start."""

    website = forms.URLField(label=lazy("Website"), required=False, assume_scheme="https")

    class Meta:
        model = Organization
        fields = ("fullname", "website", "details", "private_by_default")
        labels: ClassVar = {
            "fullname": lazy("Full name"),
            "details": lazy("In a sentence"),
            "private_by_default": lazy("New repos start private unless their creator says otherwise"),
        }


class MemberForm(forms.Form):
    """Somebody's name and role; the name of a member changes their role."""

    username = forms.CharField(label=lazy("Username"), max_length=150)
    role = forms.ChoiceField(label=lazy("Role"), choices=Role.choices, initial=Role.WRITE)

    def clean_username(self) -> User:
        """The user, found in any case."""
        name = self.cleaned_data["username"]
        user = User.objects.filter(username__iexact=name, is_active=True).first()
        if user is None:
            raise ValidationError(_("Nobody here is called %(name)s.") % {"name": name})
        return user


@login_required
@require_http_methods(["GET", "POST"])
def organizations(request: PersonRequest) -> HttpResponse:
    """Context: `memberships` (the person's own, with organization and its namespace), `form` (a new one)."""
    form = NewOrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.create_organization(request.actor, **form.cleaned_data)
            return redirect("organization-settings", form.cleaned_data["name"])
        except ValidationError as error:
            form.add_error("name", error)
    rows = Membership.objects.filter(user=request.user).select_related("organization__namespace")
    context = {"form": form, "memberships": rows.order_by("organization__namespace__name")}
    return render(request, "accounts/organizations.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def organization(request: PersonRequest, name: str) -> HttpResponse:
    """Context: `organization`, `members`, `form` (about it), `member_form`. Missing unless its admin."""
    group = _administered(request, name)
    about = request.method == "POST" and "add" not in request.POST
    form = OrganizationForm(request.POST if about else None, instance=group)
    member_form = MemberForm(request.POST if request.method == "POST" and not about else None)
    if about and form.is_valid():
        actions.change_organization(request.actor, organization=group, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("organization-settings", group.namespace.name)
    if member_form.is_bound and member_form.is_valid():
        try:
            data = member_form.cleaned_data
            actions.set_member(request.actor, organization=group, user=data["username"], role=data["role"])
            return redirect("organization-settings", group.namespace.name)
        except ValidationError as error:
            member_form.add_error("role", error)
    members = group.memberships.select_related("user").order_by("user__username")
    context = {"organization": group, "members": members, "form": form, "member_form": member_form}
    return render(request, "accounts/organization.html", context)


@login_required
@require_POST
def remove_member(request: PersonRequest, name: str, username: str) -> HttpResponse:
    """End somebody's membership, or one's own."""
    own = Organization.objects.filter(namespace__name__iexact=name, memberships__user=request.user)
    group = get_object_or_404(own.select_related("namespace"))
    member = get_object_or_404(group.memberships.select_related("user"), user__username__iexact=username)
    try:
        actions.remove_member(request.actor, organization=group, user=member.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("organization-settings", group.namespace.name)
    if member.user == request.user:
        return redirect("organizations")
    return redirect("organization-settings", group.namespace.name)


def _administered(request: PersonRequest, name: str) -> Organization:
    """The organization, or 404 for everybody but its admins (and staff)."""
    found = Organization.objects.filter(namespace__name__iexact=name).select_related("namespace")
    if not request.user.is_staff:
        found = found.filter(memberships__user=request.user, memberships__role=Role.ADMIN)
    group = found.first()
    if group is None:
        raise Http404
    return group
