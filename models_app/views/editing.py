"""Writing and editing a text file on a page; what somebody else wrote meanwhile is shown beside it."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from models_app.actions.page_commits import ChangedMeanwhile, place_content
from models_app.content.cards import parse_card, validate_card
from models_app.content.markdown import render_markdown
from models_app.models import Repo
from models_app.storage.gitdiff import text_diff
from models_app.storage.gitstore import Entry, GitStore
from models_app.storage.operations import DeleteFile, Operation
from models_app.views.change_form import ChangeForm, base_of, carry_out, changing, clean_path, form_for
from models_app.views.diffs import shown_file
from models_app.views.looks import MARKDOWN_ENDINGS
from models_app.views.places import Place, page_path
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page

MAX_EDIT_BYTES = 1024**2


class EditForm(ChangeForm):
    """The text and where it lies."""

    path = forms.CharField(label=gettext_lazy("Path"), max_length=1000)
    text = forms.CharField(
        label=gettext_lazy("Content"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 24, "spellcheck": "false", "class": "editor", "data-editor": ""}
        ),
    )

    def clean_path(self) -> str:
        return clean_path(self.cleaned_data["path"])

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n").replace("\r", "\n")
        if len(text.encode("utf-8", "replace")) > MAX_EDIT_BYTES:
            raise forms.ValidationError(_("This is more than 1 MB: upload it as a file."))
        if "\0" in text:
            raise forms.ValidationError(_("A text must not hold NUL characters."))
        return text


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """Edit the text file at this place; its path may change with it."""
    repo, store, place = changing(request, repo_type, namespace, name, rest)
    before = _entry(store, request, place)
    text = "" if before is None else _text_of(store, before)
    if before is None and not request.POST.get("overwrite"):
        raise Http404
    if text is None:
        messages.error(
            request, _("This file is no UTF-8 text of less than 1 MB: download it, change it, upload it.")
        )
        return HttpResponseRedirect(page_path(repo, "blob", place))
    summary = _("Update %(name)s") % {"name": place.name}
    form = form_for(request, repo, place, summary, EditForm, path=place.path, text=text)
    return _answer(request, repo, store, place, form, before)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """Write a new text file into the folder at this place."""
    repo, store, place = changing(request, repo_type, namespace, name, rest)
    there = store.entry(place.oid, place.path)
    if there is not None and there.is_file:
        raise Http404
    start = f"{place.path}/" if place.path else ""
    wanted = request.GET.get("name", "")[:255]
    form = form_for(request, repo, place, _("Add a file"), EditForm, path=start + wanted, text="")
    if request.method == "POST" and form.is_valid():
        form.summary_else = _("Add %(name)s") % {"name": form.cleaned_data["path"].rpartition("/")[2]}
    return _answer(request, repo, store, place, form, None)


def _entry(store: GitStore, request: HubRequest, place: Place) -> Entry | None:
    """The file as the form shows it: as it is now, or, once sent, as it was when the form was made."""
    base = base_of(store, place, request.POST.get("base", "")) if request.method == "POST" else place.oid
    found = store.entry(base, place.path) if place.path else None
    return found if found is not None and found.is_file else None


def _text_of(store: GitStore, entry: Entry) -> str | None:
    if entry.pointer is not None or entry.size > MAX_EDIT_BYTES:
        return None
    data = store.blob(entry.oid)
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _answer(
    request: HubRequest, repo: Repo, store: GitStore, place: Place, form: Any, before: Entry | None
) -> HttpResponse:
    context: dict[str, Any] = {}
    is_sent = request.method == "POST" and form.is_valid()
    if request.method == "POST" and request.POST.get("do") == "preview":
        html = _preview(repo, place, request.POST.get("text", ""), request.POST.get("path", ""))
        if request.headers.get("HX-Request"):
            return render(request, "repo/_preview.html", {"html": html})
        context = {"preview": html}
    elif is_sent and _is_sound(repo, store, place, form, before):
        try:
            answer = _save(request, repo, store, place, form, before)
        except ChangedMeanwhile as changed:
            context = _both(store, place, form, changed)
        else:
            if answer is not None:
                return answer
    status = 200 if request.method != "POST" or "preview" in context else 409 if "theirs" in context else 422
    return _page(request, repo, place, form, before, context, status)


def _page(
    request: HubRequest,
    repo: Repo,
    place: Place,
    form: Any,
    before: Entry | None,
    context: dict[str, Any],
    status: int,
) -> HttpResponse:
    path = str(form["path"].value() or "")
    context |= repo_context(request, repo, tab="files") | {
        "place": place,
        "form": form,
        "is_new": before is None,
        "is_markdown": before is None or path.lower().endswith(MARKDOWN_ENDINGS),
        "back": page_path(repo, "tree" if before is None else "blob", place),
        "draft_key": f"{repo.get_absolute_url()}:{place.revision}:{place.path}:{'edit' if before else 'new'}",
    }
    return render(request, "repo/edit.html", context, status=status)


def _is_sound(repo: Repo, store: GitStore, place: Place, form: Any, before: Entry | None) -> bool:
    """Whether the card's metadata can be read and no other file lies where this one is to go."""
    path, text = form.cleaned_data["path"], form.cleaned_data["text"]
    if path == "README.md":
        errors, _warnings = validate_card(text, repo.repo_type)
        for error in errors[:3]:
            form.add_error("text", error)
    shown = base_of(store, place, form.cleaned_data["base"])
    is_elsewhere = before is None or path != before.path
    if is_elsewhere and store.entry(shown, path) is not None and "overwrite" not in form.data:
        form.add_error("path", _("There is already something at this path."))
    return not form.errors


def _save(
    request: HubRequest, repo: Repo, store: GitStore, place: Place, form: Any, before: Entry | None
) -> HttpResponse | None:
    path = form.cleaned_data["path"]
    data = _bytes(store, form.cleaned_data["text"], before)

    def operations() -> list[Operation]:
        gone: list[Operation] = [DeleteFile(before.path)] if before and before.path != path else []
        body = io.BytesIO(data)
        put = place_content(
            request.actor, repo=repo, branch=place.revision, path=path, size=len(data), body=body
        )
        return [*gone, put]

    after = f"{repo.get_absolute_url()}/blob/{place.quoted_revision}/{quote(path)}"
    return carry_out(request, repo, place, form, operations, lambda: after)


def _bytes(store: GitStore, text: str, before: Entry | None) -> bytes:
    """The text with the line ends that the file had, and one at its end where it had one."""
    old = store.blob(before.oid) if before is not None else b"\n"
    if text and not text.endswith("\n") and (old.endswith(b"\n") or not old):
        text += "\n"
    return (text.replace("\n", "\r\n") if b"\r\n" in old else text).encode("utf-8", "replace")


def _both(store: GitStore, place: Place, form: Any, changed: ChangedMeanwhile) -> dict[str, Any]:
    """Their text and this one: the form goes on from theirs, so that to save again is to overwrite."""
    path = form.cleaned_data["path"]
    entry = store.entry(changed.head, path)
    theirs = _text_of(store, entry) if entry is not None and entry.is_file else None
    form.data = form.data.copy()
    form.data["base"] = changed.head
    form.data["overwrite"] = "1"
    shown = None
    if theirs is not None:
        shown = shown_file(text_diff(path, theirs.encode(), form.cleaned_data["text"].encode()))
    return {
        "theirs": True,
        "is_gone": entry is None,
        "shown": shown,
        "newest": store.last_commits(changed.head, [path]).get(path),
    }


def _preview(repo: Repo, place: Place, text: str, path: str) -> str:
    body = parse_card(text).body if path.rpartition("/")[2] == "README.md" else text
    return render_markdown(body[: settings.HUB_REGULAR_FILE_BYTES], repo.get_absolute_url(), place.revision)
