"""What the JSON of repos needs from other tables, asked once for a whole page and not once for each repo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db.models import Count
from django.db.models.functions import Lower

from accounts.actor import Actor
from accounts.prepared import Prepared
from models_app.models import BaseModelEdge, EvalResult, Repo, RepoTag, RepoType

MAX_SPACES = 100
# Properties that are read off the tags; of a space also what its card names.
_FROM_TAGS = {"tags", "models", "datasets"}
# Of a single repo, which is asked for most.
_TAGS = Prepared(lambda repo: RepoTag.objects.filter(repo=repo).order_by("pk"), 1)
_NAMING = Prepared(lambda name: RepoTag.objects.filter(kind="model", value__lower=name).order_by(), "name")


@dataclass(frozen=True)
class Facts:
    """By the repo's key; what a repo has nothing of is not there.

    `tags` are kind and value in the card's order, `bases` the relation and the id named, `children` how many
    models the actor may see that name this one, `spaces` the ids of at most MAX_SPACES such spaces.
    """

    tags: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    results: dict[int, list[EvalResult]] = field(default_factory=dict)
    bases: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    children: dict[int, int] = field(default_factory=dict)
    spaces: dict[int, list[str]] = field(default_factory=dict)


def gather(actor: Actor, repos: Sequence[Repo], properties: Collection[str]) -> Facts:
    """What these properties of these repos need, in at most one query for each kind of fact."""
    keys, wanted = [repo.pk for repo in repos], set(properties)
    if not keys:
        return Facts()
    return Facts(
        tags=tags_of(keys) if wanted & _FROM_TAGS else {},
        results=_results(keys) if "evalResults" in wanted else {},
        bases=_bases(keys) if "baseModels" in wanted else {},
        children=_children(actor, keys) if "childrenModelCount" in wanted else {},
        spaces=_spaces(actor, repos) if "spaces" in wanted else {},
    )


def tags_of(keys: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    """Kind and value of each tag of these repos."""
    if len(keys) == 1:
        (only,) = keys
        return {only: [(tag.kind, tag.value) for tag in _TAGS.all(only)]}
    found = defaultdict(list)
    rows = RepoTag.objects.filter(repo__in=keys).order_by("pk")
    for key, kind, value in rows.values_list("repo_id", "kind", "value"):
        found[key].append((kind, value))
    return found


def _results(keys: Collection[int]) -> dict[int, list[EvalResult]]:
    found = defaultdict(list)
    for result in EvalResult.objects.filter(repo__in=keys).order_by("pk"):
        found[result.repo_id].append(result)
    return found


def _bases(keys: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    found = defaultdict(list)
    rows = BaseModelEdge.objects.filter(child__in=keys).order_by("pk")
    for key, relation, name in rows.values_list("child_id", "relation", "parent_repo_id"):
        found[key].append((relation, name))
    return found


def _children(actor: Actor, keys: Collection[int]) -> dict[int, int]:
    rows = BaseModelEdge.objects.filter(parent__in=keys, child__in=Repo.objects.visible_to(actor))
    return dict(rows.values_list("parent").annotate(count=Count("child", distinct=True)))


def _spaces(actor: Actor, repos: Sequence[Repo]) -> dict[int, list[str]]:
    """Who names them first, which hardly anything does; only then who of these may be seen."""
    keys = {repo.repo_id.lower(): repo.pk for repo in repos}
    if len(keys) == 1 and _NAMING.first(*keys) is None:
        return {}
    tags = RepoTag.objects.filter(kind="model", value__lower__in=list(keys)).order_by()
    naming = list(tags.values_list("repo_id", Lower("value")))
    if not naming:
        return {}
    rows = Repo.objects.visible_to(actor).of_type(RepoType.SPACE).filter(pk__in=tags.values("repo_id"))
    rows = rows.select_related("namespace").order_by("-trending_score", "-pk")
    named = defaultdict(set)
    for space, name in naming:
        named[space].add(keys[name])
    found = defaultdict(list)
    for space in rows:
        for key in named[space.pk]:
            found[key].append(space.repo_id)
    return {key: names[:MAX_SPACES] for key, names in found.items()}
