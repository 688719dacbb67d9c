"""What a model's page shows besides its card: comparison, collections."""

from __future__ import annotations

from django.urls import URLPattern, path

from models_app.views import collecting, collections, compare

urlpatterns: list[URLPattern] = [
    path("compare", compare.compare_models, name="compare-models"),
    path("collections", collections.collection_list, name="collections"),
    path("collections/new", collections.new_collection, name="collection-new"),
    path("collections/add", collecting.collect, name="collect"),
    path("collections/<str:namespace>/<str:slug>/edit", collections.edit_collection, name="collection-edit"),
]
