"""The family of a model: every ancestor up to the roots, and two generations of what was made from it.

Cards name their base models, so anybody may write anything: cycles, long lines, thousands of children and
parents that are hidden all happen. What the one who asks may not see is told by the name that a card they may
see gives it, and nothing beyond it is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.db.models import Exists, F, OuterRef, QuerySet

from models_app.models import BaseModelEdge, Repo

if TYPE_CHECKING:
    from accounts.actor import Actor

MAX_DEPTH = 12
MAX_ANCESTORS = 100
MAX_CHILDREN = 8
MAX_GRANDCHILDREN = 4


@dataclass(eq=False)
class Kin:
    """A model in the family. `address` is empty where it is not here, or not for the reader to see.

    `relation` is how it was made from the one above; `others` its further parents, of a merge; `more`: how
    many children are not drawn, as far as that is known.
    """

    name: str
    address: str = ""
    license: str = ""
    relation: str = ""
    key: int | None = None
    is_here: bool = False
    children: list[Kin] = field(default_factory=list)
    others: list[Kin] = field(default_factory=list)
    more: int = 0


@dataclass
class Family:
    """`trees`: from the roots down to the model and on to its children. `ancestors`: all, nearest first."""

    trees: list[Kin]
    parents: list[Kin]
    ancestors: list[Kin]
    children: list[Repo]
    children_count: int

    @property
    def is_empty(self) -> bool:
        return not (self.parents or self.children_count)

    @property
    def licences(self) -> dict[str, str]:
        """`{repo id: licence id}` of the ancestors whose card the reader may see."""
        return {kin.name: kin.license for kin in self.ancestors if kin.address}


# The parents of each model by its key; each carries the relation in which the child stands to it.
Parents = dict[int, list[Kin]]


def family_of(repo: Repo, actor: Actor, *, license_id: str = "") -> Family:
    """A query a generation above and three below; all of it bounded."""
    here = Kin(repo.repo_id, repo.get_absolute_url(), license_id, key=repo.pk, is_here=True)
    parents, ancestors = ancestors_of([repo.pk], actor)
    count, children = _children(repo, here, actor)
    own = parents.get(repo.pk, [])
    return Family(_trees(here, own, parents), own, ancestors, children, count)


def ancestors_of(keys: Iterable[int], actor: Actor) -> tuple[Parents, list[Kin]]:
    """Each model's parents, and all of them together without repeats, the nearest generation first."""
    parents: Parents = {}
    found: dict[str, Kin] = {}
    level = list(keys)
    seen = set(level)
    for _generation in range(MAX_DEPTH):
        following: list[int] = []
        for edge in _edges(actor).filter(child__in=level)[:MAX_ANCESTORS]:
            kin = _parent(edge)
            parents.setdefault(edge.child_id, []).append(kin)
            if kin.key is None or kin.key not in seen:
                found.setdefault(kin.name.lower(), kin)
            if kin.key is not None and kin.key not in seen:
                seen.add(kin.key)
                following.append(kin.key)
        level = following
        if not level or len(found) >= MAX_ANCESTORS:
            break
    return parents, list(found.values())[:MAX_ANCESTORS]


def _edges(actor: Actor) -> QuerySet[BaseModelEdge]:
    seen = Repo.objects.visible_to(actor).filter(pk=OuterRef("parent"))
    rows = BaseModelEdge.objects.annotate(seen=Exists(seen), licence=F("parent__card__license"))
    return rows.select_related("parent__namespace").order_by("pk")


def _parent(edge: BaseModelEdge) -> Kin:
    row = vars(edge)
    if edge.parent is None or not row["seen"]:
        return Kin(edge.parent_repo_id, relation=edge.relation)
    address, licence = edge.parent.get_absolute_url(), row["licence"] or ""
    return Kin(edge.parent.repo_id, address, licence, edge.relation, edge.parent_id)


def _trees(here: Kin, own: list[Kin], parents: Parents) -> list[Kin]:
    """One tree from root to model; of a merge a line for each parent, then the model with its children."""
    if len(own) > 1:
        here.others, here.relation = own, own[0].relation
        return [*(_line(parent, None, parents, set()) for parent in own[:MAX_CHILDREN]), here]
    if own:
        here.relation = own[0].relation
        return [_line(own[0], here, parents, {here.key})]
    return [here]


def _line(kin: Kin, below: Kin | None, parents: Parents, passed: set[int | None]) -> Kin:
    """The model with `below` under it and its own (first) line above it: the root of that line."""
    node = replace(kin, relation="", children=[below] if below else [])
    above = parents.get(kin.key, []) if kin.key is not None and kin.key not in passed else []
    if not above:
        return node
    node.relation, node.others = above[0].relation, above[1:]
    return _line(above[0], node, parents, passed | {kin.key})


def _children(repo: Repo, here: Kin, actor: Actor) -> tuple[int, list[Repo]]:
    """How many models were made from it; the newest of them, with the newest of each one's own."""
    visible = Repo.objects.visible_to(actor).models()
    count = visible.filter(base_edges__parent=repo).distinct().count()
    if not count:
        return 0, []
    first = _below([repo.pk], actor, MAX_CHILDREN * 2)
    drawn: dict[int, Kin] = {}
    repos: list[Repo] = []
    for edge in first:
        if edge.child_id not in drawn and edge.child_id != repo.pk and len(drawn) < MAX_CHILDREN:
            drawn[edge.child_id] = _child(edge)
            repos.append(edge.child)
    here.children, here.more = list(drawn.values()), max(0, count - len(drawn))
    for edge in _below(list(drawn), actor, MAX_CHILDREN * MAX_GRANDCHILDREN * 2):
        parent = drawn[edge.parent_id or 0]
        if edge.child_id in drawn or edge.child_id == repo.pk:
            continue
        if len(parent.children) < MAX_GRANDCHILDREN:
            parent.children.append(_child(edge))
        else:
            parent.more += 1
    return count, repos


def _below(keys: list[int], actor: Actor, most: int) -> list[BaseModelEdge]:
    visible = Repo.objects.visible_to(actor).models()
    rows = BaseModelEdge.objects.filter(visible.behind("child"), parent__in=keys)
    return list(rows.select_related("child__namespace").order_by("-child__last_modified", "-pk")[:most])


def _child(edge: BaseModelEdge) -> Kin:
    child = edge.child
    return Kin(child.repo_id, child.get_absolute_url(), relation=edge.relation, key=child.pk)
