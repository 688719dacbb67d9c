"""The lower half of every form that changes files: what to say of it, and by which road it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from models_app.access import Forbidden, LoginRequired, Refusal, RepoDisabled, RepoGated
from models_app.actions.commits import MAX_DESCRIPTION_CHARACTERS
from models_app.actions.page_commits import Change, ChangedMeanwhile, Done, commit_change, offer_change
from models_app.actions.refusals import InvalidInput
from models_app.discussions import check_contributor, is_writer, pull_request_number
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import BadPath, EntryNotFound, PathConflict, RevisionNotFound, StorageError
from models_app.storage.gitmerge import is_ancestor
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import Operation, check_path
from models_app.views.places import Place, find_place
from models_app.views.support import HubRequest, repo_page

COMMIT, REQUEST = "commit", "request"
MAX_SUMMARY = 200
MAX_PATH = 1000


class ChangeForm(forms.Form):
    """Summary, description, whether to commit or to open a pull request; `base` is what the form shows."""

    base = forms.CharField(widget=forms.HiddenInput, max_length=40, required=False)
    summary = forms.CharField(
        label=gettext_lazy("What changes, in one line"), max_length=MAX_SUMMARY, required=False
    )
    description = forms.CharField(
        label=gettext_lazy("Why (optional)"),
        max_length=MAX_DESCRIPTION_CHARACTERS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    how = forms.ChoiceField(label=gettext_lazy("How it is saved"), widget=forms.RadioSelect)

    def __init__(self, place: Place, writes: bool, summary: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["summary"].widget.attrs["placeholder"] = summary
        commit = _("Commit to %(branch)s") % {"branch": place.revision}
        request = _("Open a pull request: nothing changes until it is merged")
        choices = [(COMMIT, commit), (REQUEST, request)] if writes else [(REQUEST, request)]
        if pull_request_number(place.revision) is not None:
            choices = [(COMMIT, commit)]
        self.fields["how"].choices = choices  # type: ignore[attr-defined]
        self.initial.setdefault("how", choices[0][0])
        self.initial.setdefault("base", place.oid)
        self.summary_else = summary

    @property
    def summary_said(self) -> str:
        """What was typed, or what the form proposed."""
        return self.cleaned_data["summary"].strip() or self.summary_else


def changing(
    request: HubRequest, repo_type: str, namespace: str, name: str, rest: str
) -> tuple[Repo, GitStore, Place]:
    """The repo and the place on one of its branches, for somebody who may offer a change there."""
    repo = repo_page(request, repo_type, namespace, name)
    check_contributor(request.actor, repo)
    store = git_store(repo)
    if not repo.head_oid:
        raise Http404
    place = find_place(store, rest)
    if pull_request_number(place.revision) is None and store.ref_oid(f"refs/heads/{place.revision}") is None:
        raise Http404  # a tag or a commit is what it is: nothing can be committed to it
    return repo, store, place


def form_for(
    request: HubRequest,
    repo: Repo,
    place: Place,
    summary: str,
    form: type[ChangeForm] = ChangeForm,
    **initial: Any,
) -> Any:
    """The form as it was sent, or as it is to be filled in."""
    writes = is_writer(request.actor, repo)
    data = request.POST if request.method == "POST" else None
    return form(place, writes, summary, data, initial=initial)


def base_of(store: GitStore, place: Place, said: str) -> str:
    """The commit that the form showed; where it names none of the branch's, what the branch is now."""
    if len(said) != 40:
        return place.oid
    try:
        return said if is_ancestor(store, store.resolve(said), place.oid) else place.oid
    except RevisionNotFound:
        return place.oid


def carry_out(
    request: HubRequest,
    repo: Repo,
    place: Place,
    form: ChangeForm,
    operations: Callable[[], Sequence[Operation]],
    after: Callable[[], str],
) -> HttpResponseRedirect | None:
    """Do what the form says and lead on, to the pull request or to `after()`; None, with the sentence in the
    form, where it is refused. ChangedMeanwhile and what concerns the whole page are raised."""
    try:
        done = _do(request, repo, place, form, operations())
    except (ChangedMeanwhile, LoginRequired, RepoGated, RepoDisabled, Forbidden):
        raise
    except (Refusal, StorageError) as refusal:
        form.add_error(None, told(refusal))
        return None
    if done.request is not None:
        messages.success(request, _("The pull request is open."))
        return HttpResponseRedirect(done.request.get_absolute_url())
    messages.success(request, _("Committed as %(oid)s.") % {"oid": done.oid[:7]})
    return HttpResponseRedirect(after())


def _do(
    request: HubRequest, repo: Repo, place: Place, form: ChangeForm, operations: Sequence[Operation]
) -> Done:
    change = Change(
        branch=place.revision,
        base=base_of(git_store(repo), place, form.cleaned_data["base"]),
        operations=operations,
        summary=form.summary_said,
        description=form.cleaned_data["description"],
    )
    act = offer_change if form.cleaned_data["how"] == REQUEST else commit_change
    return act(request.actor, repo=repo, change=change)


def told(refusal: Refusal | StorageError) -> str:
    """A refusal in the reader's language, where it is one that people meet."""
    if isinstance(refusal, BadPath):
        return _("A path is names with “/” between them: none empty, none “..” or “.git”, 255 bytes each.")
    if isinstance(refusal, PathConflict):
        return _("A folder and a file cannot have the same path.")
    if isinstance(refusal, EntryNotFound):
        return _("This file is not there any more.")
    if isinstance(refusal, InvalidInput) and refusal.message == "Nothing was changed.":
        return _("Nothing was changed.")
    return refusal.message


def clean_path(text: str) -> str:
    """The path as it is kept, or a ValidationError that says what a path is."""
    path = text.strip().strip("/")
    try:
        return check_path(path)
    except BadPath as refusal:
        raise forms.ValidationError(told(refusal)) from refusal
