"""What people do with shared recipes: publish, change, fork."""

from __future__ import annotations

from accounts.actor import Actor, Level
from models_app.access import check_repo
from models_app.actions.commits import commit
from models_app.actions.duplicates import duplicate_repo
from models_app.actions.refusals import RepoExists
from models_app.actions.repos import create_repo, delete_repo
from models_app.content.recipes import RECIPE_FILE
from models_app.models import Recipe, Repo, RepoType
from models_app.storage.operations import AddFile
from runs.recipe_source import Source, text_at


def publish(actor: Actor, *, namespace: str, name: str, private: bool | None, text: str, readme: str) -> Repo:
    """A new recipe repo with these two files. The same once more, as of a form sent twice, gives the first.

    Raises RepoExists, InvalidInput, or the gate's refusals.
    """
    try:
        repo = create_repo(actor, repo_type=RepoType.RECIPE, namespace=namespace, name=name, private=private)
    except RepoExists as taken:
        if _may_write(actor, taken.repo) and text_at(taken.repo, taken.repo.default_branch)[0] == text:
            return taken.repo
        raise
    files = [AddFile(RECIPE_FILE, text.encode()), AddFile("README.md", readme.encode())]
    try:
        commit(actor, repo=repo, branch=repo.default_branch, operations=files, summary="Publish the recipe")
    except BaseException:
        delete_repo(actor, repo=repo)
        raise
    return repo


def change(actor: Actor, *, repo: Repo, text: str, parent: str, summary: str) -> None:
    """Commit another text of the recipe on top of `parent`; what is there already is left as it is.

    Raises StaleParent where somebody else was quicker, or the gate's refusals.
    """
    if text_at(repo, repo.default_branch)[0] == text:  # as of a form sent twice
        return
    files = [AddFile(RECIPE_FILE, text.encode())]
    # A form that does not say what it was made from is as good as a stale one.
    known = parent or "0" * 40
    commit(actor, repo=repo, branch=repo.default_branch, operations=files, summary=summary, parent=known)


def fork(actor: Actor, *, source: Source, namespace: str, name: str, private: bool) -> Repo:
    """A copy of a recipe under a name of one's own, which remembers where it came from.

    What is private stays private. The same once more, as of a form sent twice, gives the first. Raises
    RepoExists, InvalidInput, or the gate's refusals.
    """
    if source.repo is None:
        readme = f"# {source.title}\n\n{source.note}\n\nForked from {source.recipe_id}.\n"
        return publish(
            actor, namespace=namespace, name=name, private=private, text=source.text, readme=readme
        )
    origin = check_repo(actor, source.repo)
    hidden = private or origin.private
    try:
        return duplicate_repo(actor, source=origin, namespace=namespace, name=name, private=hidden)
    except RepoExists as taken:
        is_same = Recipe.objects.filter(repo=taken.repo, forked_from=origin).exists()
        if is_same and _may_write(actor, taken.repo) and taken.repo.head_oid == origin.head_oid:
            return taken.repo
        raise


def _may_write(actor: Actor, repo: Repo) -> bool:
    level = actor.namespace_levels.get(repo.namespace_id, Level.NONE)
    return min(level, actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace)) >= Level.WRITE
