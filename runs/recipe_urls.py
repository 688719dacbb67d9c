"""Recipes as things to share: gallery, page, fork, difference, form."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from runs import recipe_edit_views, recipe_run_views, recipe_views

_NAME = r"^recipes/(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)"

urlpatterns: list[URLPattern] = [
    path("recipes", recipe_views.recipes, name="recipes"),
    path("recipes/compare", recipe_views.compare, name="recipe-compare"),
    path("recipes/new", recipe_edit_views.new, name="recipe-new"),
    path("recipes/sync", recipe_edit_views.sync, name="recipe-sync"),
    re_path(rf"{_NAME}$", recipe_views.recipe, name="recipe"),
    re_path(rf"{_NAME}/recipe\.yaml$", recipe_views.text, name="recipe-text"),
    re_path(rf"{_NAME}/edit$", recipe_edit_views.edit, name="recipe-edit"),
    re_path(rf"{_NAME}/fork$", recipe_edit_views.fork, name="recipe-fork"),
    re_path(rf"{_NAME}/run$", recipe_run_views.choose, name="recipe-run"),
]
