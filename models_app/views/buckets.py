"""The page of a bucket: what lies in it, one folder at a time."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.buckets import Folder, access_bucket, list_level, with_totals
from models_app.models import Bucket, BucketFile
from models_app.views.support import HubRequest, page

MAX_ENTRIES = 1000


@require_safe
@page
def bucket(request: HubRequest, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """Context: `bucket` with its totals, `crumbs`, `entries` (entry, is_folder, name, address), `is_cut`."""
    found = access_bucket(request.actor, f"{namespace}/{name}")
    path = rest.strip("/")
    if "\0" in path:
        raise Http404
    entries = list(islice(list_level(found, f"{path}/" if path else ""), MAX_ENTRIES + 1))
    if path and not entries:
        raise Http404
    context = {
        "bucket": with_totals(Bucket.objects.filter(pk=found.pk).select_related("namespace")).get(),
        "crumbs": _crumbs(path),
        "entries": [_row(entry) for entry in entries[:MAX_ENTRIES]],
        "is_cut": len(entries) > MAX_ENTRIES,
        "endpoint": settings.HUB_PUBLIC_URL,
    }
    return render(request, "buckets/bucket.html", context)


def _crumbs(path: str) -> list[tuple[str, str]]:
    """Name and quoted path of each folder on the way."""
    parts = path.split("/") if path else []
    return [(part, quote("/".join(parts[: count + 1]))) for count, part in enumerate(parts)]


def _row(entry: BucketFile | Folder) -> tuple[Any, bool, str, str]:
    return entry, isinstance(entry, Folder), entry.path.rpartition("/")[2], quote(entry.path)
