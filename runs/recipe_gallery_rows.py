"""The rows of the gallery of recipes, with what was measured and what it took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from accounts.actor import Actor
from models_app.models import Recipe, Repo, RepoType
from models_app.search import search_repos
from runs.recipe_costs import Cost, costs_by_method
from runs.recipe_outcomes import Outcome, beaten, outcomes_by_method
from runs.recipe_shipped import shipped
from runs.recipe_words import line_of

MAX_RECIPES = 5000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Row:
    """One recipe in the gallery."""

    recipe_id: str
    title: str
    task: str
    strategy: str
    base: str
    fingerprint: str
    created_at: datetime = _LONG_AGO
    repo: Repo | None = None
    is_valid: bool = True
    library: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    beaten: int = -1

    @property
    def address(self) -> str:
        return f"/recipes/{self.recipe_id}"

    @property
    def line(self) -> str:
        return line_of(self.spec)

    def values(self, facet: str) -> list[str]:
        """What it has of a facet; boards may be several."""
        if facet == "board":
            return [outcome.board.key for outcome in self.outcomes]
        value = getattr(self, facet)
        return [value] if value else []

    def on(self, board: str) -> Outcome | None:
        """Its outcome on this board, or where it was measured most often."""
        if board:
            return next((one for one in self.outcomes if one.board.key == board), None)
        return max(self.outcomes, key=lambda one: one.count, default=None)


def known_rows(actor: Actor, search: str) -> list[Row]:
    """Every recipe that the actor may see in which the words are found: at most 5,000, and those shipped."""
    rows = [*_published(actor, search), *_shipped(search)]
    methods = {row.fingerprint for row in rows if row.fingerprint}
    outcomes, costs = outcomes_by_method(actor, methods), costs_by_method(actor, methods)
    ranks = beaten(outcomes)
    libraries = _libraries(actor, {row.base for row in rows if row.base})
    for row in rows:
        if row.fingerprint:
            row.outcomes = outcomes.get(row.fingerprint, [])
            row.cost = costs.get(row.fingerprint, row.cost)
            row.beaten = ranks.get(row.fingerprint, -1)
        row.library = libraries.get(row.base.lower(), "")
    return rows


def _published(actor: Actor, search: str) -> list[Row]:
    seen = Repo.objects.visible_to(actor).of_type(RepoType.RECIPE).filter(recipe__isnull=False)
    repos = search_repos(seen, search).select_related("namespace", "recipe").defer("recipe__spec")
    if not search:
        repos = repos.order_by("-last_modified", "-pk")
    return [
        Row(
            repo.repo_id,
            repo.recipe.title,
            repo.recipe.pipeline_tag,
            repo.recipe.strategy,
            repo.recipe.base_model,
            repo.recipe.fingerprint,
            repo.created_at,
            repo,
            repo.recipe.is_valid,
        )
        for repo in repos[:MAX_RECIPES]
    ]


def _shipped(search: str) -> Iterator[Row]:
    words = search.casefold().split()
    for one in shipped().values():
        facts = one.facts
        text = f"{one.recipe_id} {one.note} {facts.task} {facts.base_model}".casefold()
        if all(word in text for word in words):
            yield Row(
                one.recipe_id,
                one.title,
                facts.task,
                facts.strategy,
                facts.base_model,
                facts.fingerprint,
                spec=facts.spec,
            )


def _libraries(actor: Actor, names: set[str]) -> dict[str, str]:
    """The library of each base that is a model of this hub, by its id in small letters."""
    pairs = [name.split("/") for name in names if name.count("/") == 1]
    rows = Repo.objects.visible_to(actor).models().exclude(card__library_name="")
    rows = rows.filter(
        namespace__name__in={ns for ns, _name in pairs}, name__in={name for _ns, name in pairs}
    )
    found = rows.values_list("namespace__name", "name", "card__library_name")
    return {f"{ns}/{name}".lower(): library or "" for ns, name, library in found}


def fill_in(rows: Iterable[Row]) -> None:
    """The specs of a page's recipes, which are large, in one query."""
    own = {row.repo.pk: row for row in rows if row.repo is not None}
    for pk, spec in Recipe.objects.filter(repo__in=own).values_list("repo_id", "spec"):
        own[pk].spec = spec
