"""People and credentials for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts import actions as verbs
from accounts.desk import LookOnlyAdmin, do_each
from accounts.models import AccessToken, Membership, Namespace, Organization, User

admin.site.site_header = "Tuneyard"
admin.site.site_title = "Tuneyard admin"
admin.site.index_title = "The desk"
admin.site.site_url = "/"


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """Staff may correct an address or give staff rights; names and passwords are the person's own."""

    list_display = ("username", "fullname", "email", "is_staff", "is_suspended", "date_joined", "last_login")
    list_filter = ("is_suspended", "is_staff")
    search_fields = ("username", "fullname", "email")
    ordering = ("-date_joined",)
    fields = (
        *("username", "fullname", "bio", "email", "email_verified", "is_staff", "is_superuser", "groups"),
        *("is_suspended", "date_joined", "last_login"),
    )
    readonly_fields = ("username", "is_suspended", "date_joined", "last_login")
    filter_horizontal = ("groups",)
    actions = ("suspend", "restore")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a user without a namespace would be half a user: `provision` and sign-up make both

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser makes others one, or staff."""
        locked = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups")
        return (*self.readonly_fields, *locked)

    @admin.action(description="Suspend: no login, no session, no token works")
    def suspend(self, request: Any, rows: QuerySet[User]) -> None:
        do_each(self, request, rows, lambda user: verbs.suspend(request.actor, user=user), "Suspended")

    @admin.action(description="Restore")
    def restore(self, request: Any, rows: QuerySet[User]) -> None:
        do_each(self, request, rows, lambda user: verbs.restore(request.actor, user=user), "Restored")


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):
    list_display = ("namespace", "fullname", "members", "private_by_default", "created_at")
    search_fields = ("namespace__name", "fullname")
    list_select_related = ("namespace",)
    fields = ("namespace", "fullname", "website", "details", "private_by_default", "created_at")
    readonly_fields = ("namespace", "created_at")
    inlines = (MembershipInline,)
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return super().get_queryset(request).annotate(member_count=Count("memberships"))

    @admin.display(ordering="member_count")
    def members(self, row: Any) -> int:
        return int(row.member_count)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Namespace)
class NamespaceAdmin(LookOnlyAdmin):
    list_display = ("name", "is_organization", "used_bytes", "quota_bytes", "created_at")
    search_fields = ("name",)


@admin.register(AccessToken)
class AccessTokenAdmin(LookOnlyAdmin):
    """Who holds which tokens; the hash stays in the table."""

    list_display = (
        "name",
        "prefix",
        "user",
        "role",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("role",)
    search_fields = ("name", "user__username", "prefix")
    list_select_related = ("user",)
    fields = (*("user", "name", "prefix", "role", "scopes"), *list_display[4:])
    ordering = ("-created_at",)
    actions = ("revoke",)

    @admin.action(description="Revoke", permissions=["view"])
    def revoke(self, request: Any, rows: QuerySet[AccessToken]) -> None:
        do_each(self, request, rows, lambda token: verbs.end_token(request.actor, token=token), "Revoked")
