"""Collections: the list of all, one of them, and the forms that make, fill, arrange and remove them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actor import Level
from models_app.access import Refusal
from models_app.actions import collection_items
from models_app.actions.collections import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    CollectionExists,
    change_collection,
    create_collection,
    delete_collection,
)
from models_app.actions.refusals import InvalidInput
from models_app.collections import access_collection, items_of, visible_items, with_first_items
from models_app.models import Collection
from models_app.views.support import HubRequest, page, writable_namespaces

PAGE_SIZE = 20
SORTS = {
    "new": gettext_lazy("Newest"),
    "updated": gettext_lazy("Last changed"),
    "size": gettext_lazy("Most items"),
}
_ORDERS = {"new": ("-created_at",), "updated": ("-updated_at",), "size": ("-size", "-updated_at")}


class CollectionForm(forms.Form):
    """Title, description, who may see it; the owner only where one is made."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=MAX_TITLE)
    description = forms.CharField(
        label=gettext_lazy("What is in it?"),
        max_length=MAX_DESCRIPTION,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    namespace = forms.ChoiceField(label=gettext_lazy("Owner"), required=False)
    private = forms.BooleanField(
        label=gettext_lazy("Private"),
        required=False,
        help_text=gettext_lazy("Only you, or the members of the organization, may see it."),
    )

    def __init__(self, owners: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in owners]  # type: ignore[attr-defined]
        if not owners:
            del self.fields["namespace"]


@require_safe
@page
def collection_list(request: HubRequest) -> HttpResponse:
    """All that the reader may see: `sort` new, updated or size; `q` words of title and description."""
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "updated"
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]
    rows = Collection.objects.visible_to(request.actor)
    for word in query.split()[:5]:
        fits = Q(title__icontains=word) | Q(description__icontains=word) | Q(namespace__name__icontains=word)
        rows = rows.filter(fits)
    if sort == "size":
        # What is private counts for nobody: an order must not tell of it.
        rows = rows.annotate(size=Count("items", filter=Q(items__repo__private=False)))
    ordered = with_first_items(request.actor, rows.order_by(*_ORDERS[sort], "-pk"))
    found = Paginator(ordered, PAGE_SIZE).get_page(request.GET.get("page"))
    counts = _counts(request, [row.pk for row in found])
    context = {
        "rows": found,
        "listed": [(row, counts.get(row.pk, 0)) for row in found],
        "sorts": SORTS,
        "sort": sort,
        "query": query,
    }
    return render(request, "collections/list.html", context)


def _counts(request: HubRequest, keys: list[int]) -> dict[int, int]:
    items = visible_items(request.actor).filter(collection__in=keys).order_by()
    return dict(items.values_list("collection").annotate(count=Count("pk")))


@require_safe
@page
def collection(request: HubRequest, namespace: str, slug: str) -> HttpResponse:
    """What is in it, as far as the actor may see; an address of an older title leads to the present one."""
    found = access_collection(request.actor, namespace, slug)
    if found.slug != f"{namespace}/{slug}":
        return HttpResponseRedirect(found.get_absolute_url())
    context = {
        "collection": found,
        "items": items_of(request.actor, found),
        "may_write": may_write(request, found),
    }
    return render(request, "collections/collection.html", context)


def may_write(request: HubRequest, found: Collection) -> bool:
    """Whether the reader may change it."""
    return request.actor.namespace_levels.get(found.namespace_id, Level.NONE) >= Level.WRITE


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_collection(request: HubRequest) -> HttpResponse:
    """The form that makes one; `what=model/alice/net` puts that in it at once."""
    owners = writable_namespaces(request.actor)
    form = CollectionForm(owners, request.POST or None, initial={"namespace": request.GET.get("owner", "")})
    what = (request.POST or request.GET).get("what", "")[:250]
    if request.method == "POST" and form.is_valid():
        made = _make(request, form)
        if made is not None:
            kind, _slash, item_id = what.partition("/")
            if item_id:
                try:
                    collection_items.add_item(request.actor, collection=made, item_type=kind, item_id=item_id)
                except Refusal as refusal:
                    messages.error(request, refusal.message)
            return HttpResponseRedirect(made.get_absolute_url())
    context = {"form": form, "what": what}
    return render(request, "collections/new.html", context, status=422 if form.errors else 200)


def _make(request: HubRequest, form: CollectionForm) -> Collection | None:
    cleaned = form.cleaned_data
    try:
        return create_collection(
            request.actor,
            namespace=cleaned.get("namespace") or None,
            title=cleaned["title"],
            description=cleaned["description"],
            private=cleaned["private"],
        )
    except CollectionExists:
        form.add_error("title", _("There is already a collection of this title."))
    except (InvalidInput, Refusal) as refusal:
        form.add_error("title", refusal.message)
    return None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit_collection(request: HubRequest, namespace: str, slug: str) -> HttpResponse:
    """Change it: `action` is save, delete, or of one item (`key`) note, up, down or remove."""
    found = access_collection(request.actor, namespace, slug, Level.WRITE)
    action = request.POST.get("action", "")
    form = CollectionForm([], request.POST if action == "save" else None, initial=vars(found))
    problem = ""
    if request.method == "POST":
        try:
            address = _changed(request, found, form, action)
        except CollectionExists:
            form.add_error("title", _("There is already a collection of this title."))
        except InvalidInput as refusal:
            problem = refusal.message
        else:
            if address:
                return HttpResponseRedirect(address)
            problem = "" if form.errors else _("Say what to do.")
    context = {
        "collection": found,
        "form": form,
        "items": items_of(request.actor, found),
        "problem": problem,
    }
    is_bad = bool(problem or form.errors)
    return render(request, "collections/edit.html", context, status=422 if is_bad else 200)


def _changed(request: HubRequest, found: Collection, form: CollectionForm, action: str) -> str:
    """Do it; where to go then, empty where nothing was done."""
    if action == "delete":
        if request.POST.get("confirmation", "").strip() != found.title:
            raise InvalidInput(_("Type its title to delete it."))
        delete_collection(request.actor, collection=found)
        messages.success(request, _("%(title)s is deleted.") % {"title": found.title})
        return f"/{found.namespace.name}"
    if action == "save":
        if not form.is_valid():
            return ""
        fields = {name: form.cleaned_data[name] for name in ("title", "description", "private")}
        changed = change_collection(request.actor, collection=found, **fields)
        messages.success(request, _("Saved."))
        return f"{changed.get_absolute_url()}/edit"
    if action in ("note", "up", "down", "remove"):
        _item_changed(request, found, action)
        return f"{found.get_absolute_url()}/edit#items"
    return ""


def _item_changed(request: HubRequest, found: Collection, action: str) -> None:
    key = request.POST.get("key", "")[:24]
    if action == "remove":
        collection_items.delete_item(request.actor, collection=found, key=key)
        return
    if action == "note":
        note = request.POST.get("note", "")
        collection_items.change_item(request.actor, collection=found, key=key, note=note)
        return
    # Past the neighbour that the person sees, not past one hidden from them.
    shown = items_of(request.actor, found)
    place = next((at for at, item in enumerate(shown) if item.key == key), None)
    aim = None if place is None else place + (-1 if action == "up" else 1)
    position = shown[aim].position if aim is not None and 0 <= aim < len(shown) else None
    collection_items.change_item(request.actor, collection=found, key=key, position=position)
