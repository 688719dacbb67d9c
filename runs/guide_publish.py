"""The fifth stage: the model's name, who may see it, its licence and its card; then where to go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import yaml
from django import forms
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from models_app.access import Refusal
from models_app.actions.commits import commit
from models_app.actions.moves import move_repo
from models_app.actions.refusals import RepoExists
from models_app.actions.repos import change_settings, check_repo_name
from models_app.content.cards import Card, parse_card
from models_app.content.licences import conflicts, licence_of
from models_app.files import git_store, read_file
from models_app.models import Repo
from models_app.storage.errors import EntryNotFound, FileTooLarge, StaleParent, StorageError
from models_app.storage.operations import AddFile
from models_app.views.support import HubRequest
from models_app.views.typed import mark_sent
from runs import guides
from runs.guide_upload_forms import licence_choices
from runs.guide_views import shown, stage, stage_address
from runs.guides import Way
from runs.models import GuideStage, Run
from runs.progress import result_of

CARD = "README.md"
MAX_CARD_BYTES = 1024**2


@dataclass(frozen=True)
class Read:
    """The card as it is at a commit."""

    head: str
    card: Card


class PublishForm(forms.Form):
    """What a newcomer decides at the end; `head` is the commit that the card's text was read from."""

    name = forms.CharField(label=_("Name"), max_length=96)
    visibility = forms.ChoiceField(
        label=_("Who may see it?"),
        choices=[
            ("public", _("Everybody on this hub")),
            ("private", _("Only you, or the members of the organization")),
        ],
        widget=forms.RadioSelect,
    )
    licence = forms.ChoiceField(label=_("Licence"), required=False)
    text = forms.CharField(
        label=_("What it is, in your words"),
        max_length=100_000,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text=_("Markdown. Say what it is for, what it was trained on and what it cannot do."),
    )
    head = forms.CharField(max_length=40, widget=forms.HiddenInput(attrs={"data-draft-keep": ""}))

    def clean_name(self) -> str:
        """The rule of repo names."""
        try:
            return check_repo_name(self.cleaned_data["name"])
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean_text(self) -> str:
        """A browser's line ends are not git's."""
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n")
        if "\0" in text:
            raise forms.ValidationError(gettext("The text must not hold NUL characters."))
        return text


@stage(GuideStage.PUBLISH)
def publish(request: HubRequest, way: Way) -> HttpResponseBase:
    """The form, filled in with what follows from base and data; POST makes it so."""
    run = way.run
    assert run is not None
    repo = run.target_repo
    if repo is None:
        return shown(request, way, GuideStage.PUBLISH, {"run": run, "repo": None})
    read = _read(repo)
    if request.method == "POST":
        form = _form(run, read, request.POST)
        if form.is_valid() and _published(request, repo, read, form):
            guides.finish(way.guide)
            messages.success(request, gettext("Published."))
            return mark_sent(request, HttpResponseRedirect(stage_address(way.guide.uuid, GuideStage.PUBLISH)))
    else:
        form = _form(run, read)
    context = {
        "run": run,
        "repo": repo,
        "form": form,
        "result": result_of(run, request.actor),
        "licence_words": _licence_words(run, str(form["licence"].value() or "")),
    }
    return shown(request, way, GuideStage.PUBLISH, context, status=422 if form.errors else 200)


def _read(repo: Repo) -> Read:
    head = git_store(repo).resolve(repo.default_branch)
    try:
        text = read_file(repo, head, CARD, MAX_CARD_BYTES).decode("utf-8", "replace")
    except (EntryNotFound, FileTooLarge):
        text = ""
    return Read(head, parse_card(text))


def _form(run: Run, read: Read, data: Any = None) -> PublishForm:
    repo = run.target_repo
    assert repo is not None
    own = str(read.card.metadata.get("license") or "")
    suggested = own or _licence(run.base_repo)
    initial = {
        "name": repo.name,
        "visibility": "private" if repo.private else "public",
        "licence": suggested,
        "text": read.card.body.strip("\n"),
        "head": read.head,
    }
    form = PublishForm(data, initial=initial)
    choices = licence_choices(suggested, _licence(run.base_repo), _licence(run.dataset_repo))
    cast(forms.ChoiceField, form.fields["licence"]).choices = choices
    return form


def _licence(repo: Repo | None) -> str:
    return str(repo.card.license) if repo is not None and hasattr(repo, "card") else ""


def _licence_words(run: Run, chosen: str) -> list[str]:
    """What base and data say, and where the chosen licence would promise more than they allow."""
    said = {one.repo_id: _licence(one) for one in (run.base_repo, run.dataset_repo) if one is not None}
    words = [
        gettext("%(name)s is under %(licence)s.") % {"name": name, "licence": licence_of(licence).name}
        if licence
        else gettext("%(name)s does not say under which licence it is.") % {"name": name}
        for name, licence in said.items()
    ]
    parents = {name: licence for name, licence in said.items() if licence}
    if chosen:
        for found in conflicts(chosen, parents):
            if found.rule != "unknown":
                words.append(_conflict(found.rule) % {"parent": found.parent})
    return words


def _conflict(rule: str) -> str:
    return {
        "modification": gettext(
            "%(parent)s may not be changed, so a model made from it may not be passed on."
        ),
        "redistribution": gettext("%(parent)s may not be passed on, and so may not what is made from it."),
        "commercial-use": gettext("%(parent)s may not be used commercially; this licence would allow it."),
        "share-alike": gettext("%(parent)s asks that what is made from it is under the same licence."),
        "use-restrictions": gettext("%(parent)s restricts what it may be used for; this licence does not."),
        "attribution": gettext("%(parent)s asks to be named; this licence does not ask for it."),
    }.get(rule, "%(parent)s")


def _published(request: HubRequest, repo: Repo, read: Read, form: PublishForm) -> bool:
    """The card first, then who may see it, then its name; each problem stands beside its field."""
    asked = form.cleaned_data
    try:
        _write_card(request, repo, read, asked)
        private = asked["visibility"] == "private"
        if private != repo.private:
            change_settings(request.actor, repo=repo, private=private)
        if asked["name"] != repo.name:
            move_repo(request.actor, repo=repo, namespace=repo.namespace.name, name=asked["name"])
    except StaleParent:
        text = gettext(
            "Somebody has changed the model meanwhile. Your text is kept here: look, and press again."
        )
        form.add_error(None, text)
        form.data = {**{name: form.data.get(name) for name in form.data}, "head": read.head}
    except RepoExists:
        form.add_error("name", gettext("There is a model of this name already."))
    except Refusal as refusal:
        form.add_error(None, refusal.message)
    except StorageError as error:
        form.add_error("text", gettext("The card could not be kept: %(why)s") % {"why": error})
    return not form.errors


def _write_card(request: HubRequest, repo: Repo, read: Read, asked: dict[str, Any]) -> None:
    """One commit, if anything is new; refused where the branch has moved since the form was drawn."""
    metadata = {name: value for name, value in read.card.metadata.items() if name != "license"}
    if asked["licence"]:
        metadata = {"license": asked["licence"], **metadata}
    is_same = asked["text"].strip("\n") == read.card.body.strip("\n")
    if is_same and metadata.get("license") == read.card.metadata.get("license"):
        return
    front = f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---\n" if metadata else ""
    content = f"{front}\n{asked['text'].strip(chr(10))}\n".encode()
    commit(
        request.actor,
        repo=repo,
        branch=repo.default_branch,
        operations=[AddFile(CARD, content)],
        summary="Describe the model",
        parent=asked["head"],
    )
