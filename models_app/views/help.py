"""The help pages: contents, one page, search. What they say lies in `docs/`."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from accounts.tokens import living_tokens
from models_app import helpdocs
from models_app.helpsearch import search_docs
from models_app.views.support import HubRequest, page

MAX_TOKENS = 50
_BLOCK = re.compile(r"<pre>(.*?)</pre>", re.S)


@require_safe
@page
def contents(request: HubRequest) -> HttpResponse:
    """All pages by group; with `q` the parts that hold it."""
    asked = request.GET.get("q", "").strip().replace("\0", "")[:100]
    context = {
        "section": "docs",
        "groups": groups_of_pages(_language()),
        "query": asked,
        "hits": search_docs(asked, _language()) if asked else [],
    }
    return render(request, "help/contents.html", context)


@require_safe
@page
def show(request: HubRequest, name: str) -> HttpResponse:
    """One page, with its contents and its neighbours."""
    language = _language()
    found = helpdocs.find(name.strip("/"), language)
    if found is None:
        raise Http404("There is no such page of help.")
    if found.name != name:
        return HttpResponseRedirect(found.get_absolute_url())
    every = helpdocs.pages(language)
    place = every.index(found)
    token = example_token(request)
    context = {
        "section": "docs",
        "groups": groups_of_pages(language),
        "doc": found,
        "html": with_copy_buttons(helpdocs.render(found, token=token)),
        "headings": helpdocs.headings(found),
        "previous": every[place - 1] if place else None,
        "next": every[place + 1] if place + 1 < len(every) else None,
        "is_foreign": language.startswith("zh") and found.language == "en",
        **examples(request, token),
    }
    return render(request, "help/page.html", context)


def examples(request: HttpRequest, token: str) -> dict[str, Any]:
    """What stands above examples: the hub's address, and the reader's tokens by name, never a value."""
    return {"endpoint": settings.HUB_PUBLIC_URL, "token": token, "token_names": _token_names(request)}


def example_token(request: HttpRequest) -> str:
    """The name of the token that examples are written with: the chosen one, else the newest; or nothing."""
    names = _token_names(request)
    chosen = request.GET.get("token", "")
    return chosen if chosen in names else next(iter(names), "")


def _token_names(request: HttpRequest) -> list[str]:
    if not request.user.is_authenticated:
        return []
    rows = living_tokens().filter(user=request.user, login=None, scopes__run__isnull=True)
    return list(rows.order_by("-created_at").values_list("name", flat=True)[:MAX_TOKENS])


def with_copy_buttons(html: str) -> SafeString:
    """Rendered Markdown with a copy button on each block of code; it is sanitised already."""
    count = iter(range(1, 10_000))

    def framed(found: re.Match[str]) -> str:
        context = {"id": f"code-{next(count)}", "code": SafeString(found[1])}
        return render_to_string("help/_code.html", context)

    return SafeString(_BLOCK.sub(framed, html))


def groups_of_pages(language: str) -> list[tuple[object, list[helpdocs.Page]]]:
    """Title and pages of each group, for the list beside every page of help."""
    every = helpdocs.pages(language)
    named = (
        (title, [one for one in every if one.group == group]) for group, (title, _) in helpdocs.GROUPS.items()
    )
    return [(title, rows) for title, rows in named if rows]


def _language() -> str:
    return get_language() or "en"
