"""One recipe as pages show it, whether it lies in somebody's repo or came with Tuneyard."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.actor import Actor
from models_app.access import RepoNotFound, access_repo, may_read_content
from models_app.content.recipes import (
    MAX_RECIPE_BYTES,
    RECIPE_FILE,
    RecipeFacts,
    missing_recipe,
    read_recipe,
)
from models_app.files import git_store
from models_app.models import Recipe, Repo, RepoType
from models_app.storage.errors import RevisionNotFound
from runs.recipe_shipped import NAMESPACE, shipped


@dataclass(frozen=True)
class Source:
    """`text` is empty and `facts` say why where there is no readable `recipe.yaml`; `repo` None: shipped."""

    recipe_id: str
    title: str
    text: str
    facts: RecipeFacts
    repo: Repo | None = None
    oid: str = ""
    note: str = ""
    # behind a gate that the reader has not passed: nothing of it but its name is shown
    is_closed: bool = False

    @property
    def address(self) -> str:
        return f"/recipes/{self.recipe_id}"

    @property
    def name(self) -> str:
        return self.recipe_id.rpartition("/")[2]


def source_of(actor: Actor, recipe_id: str) -> Source:
    """The recipe with this id, as far as the actor may read it. Raises the gate's refusals."""
    namespace, _, name = recipe_id.partition("/")
    if namespace.lower() == NAMESPACE:
        return shipped_source(name)
    return repo_source(actor, access_repo(actor, RepoType.RECIPE, recipe_id, content=False))


def shipped_source(name: str) -> Source:
    """A shipped recipe. Raises RepoNotFound."""
    found = shipped().get(name)
    if found is None:
        raise RepoNotFound("Recipe not found")
    return Source(found.recipe_id, found.title, found.text, found.facts, note=found.note)


def repo_source(actor: Actor, repo: Repo) -> Source:
    """The recipe of a repo that the actor may know of, at the head of its default branch."""
    row = Recipe.objects.filter(repo=repo).first()
    title = row.title if row else repo.name
    if not may_read_content(actor, repo):
        return Source(repo.repo_id, title, "", RecipeFacts(), repo, is_closed=True)
    text, oid = text_at(repo, repo.default_branch)
    facts = missing_recipe() if text is None else read_recipe(text)
    return Source(repo.repo_id, title, text or "", facts, repo, oid)


def text_at(repo: Repo, revision: str) -> tuple[str | None, str]:
    """The recipe's text at a revision and the commit's oid; None where there is none that can be read."""
    store = git_store(repo)
    try:
        oid = store.resolve(revision)
    except RevisionNotFound:
        return None, ""
    entry = store.entry(oid, RECIPE_FILE)
    if entry is None or not entry.is_file or entry.pointer is not None or entry.size > MAX_RECIPE_BYTES:
        return None, oid
    return store.blob(entry.oid).decode("utf-8", "replace"), oid
