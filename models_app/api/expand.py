"""Which properties each type of repo has on the wire: asked for by `expand`, in lists, in its own info
(hf-wire section 4)."""

from __future__ import annotations

from collections.abc import Collection

from models_app.api.wire import WireError
from models_app.models import RepoType

# What a list item shows without `full`.
_BRIEF = ("likes", "trendingScore", "private")
_STATE = ("author", "sha", "lastModified", "gated", "disabled")
BRIEF: dict[str, tuple[str, ...]] = {
    RepoType.MODEL: (*_BRIEF, "downloads", "tags", "pipeline_tag", "library_name", "createdAt"),
    RepoType.DATASET: (*_BRIEF, "downloads", "tags", "createdAt"),
    RepoType.SPACE: (*_BRIEF, "sdk", "tags", "createdAt"),
    RepoType.KERNEL: (*_BRIEF, "downloads", "tags", "createdAt"),
}
FULL: dict[str, tuple[str, ...]] = {
    RepoType.MODEL: (*_STATE, *BRIEF[RepoType.MODEL], "siblings"),
    RepoType.DATASET: (*_STATE, *BRIEF[RepoType.DATASET], "description", "cardData"),
    RepoType.SPACE: (
        *_STATE,
        *BRIEF[RepoType.SPACE],
        "cardData",
        "siblings",
        "subdomain",
        "models",
        "datasets",
    ),
    RepoType.KERNEL: (*_STATE, *BRIEF[RepoType.KERNEL], "siblings"),
}
_OWN = ("cardData", "siblings", "usedStorage")
INFO: dict[str, tuple[str, ...]] = {
    RepoType.MODEL: (
        *FULL[RepoType.MODEL], *_OWN, "safetensors", "model-index", "config", "transformersInfo", "spaces",
    ),
    RepoType.DATASET: (*FULL[RepoType.DATASET], *_OWN),
    RepoType.SPACE: (*FULL[RepoType.SPACE], *_OWN, "runtime"),
    RepoType.KERNEL: (*FULL[RepoType.KERNEL], *_OWN),
}  # fmt: skip

# What every type has; then what only some have.
_COMMON = {
    "author", "cardData", "createdAt", "disabled", "lastModified", "likes", "private", "resourceGroup", "sha",
    "siblings", "tags", "trendingScore", "usedStorage", "xetEnabled",
}  # fmt: skip
_COUNTED = {"downloads", "downloadsAllTime", "gated"}
_MODEL = {
    "baseModels", "childrenModelCount", "config", "evalResults", "gguf", "inference",
    "inferenceProviderMapping", "library_name", "mask_token", "model-index", "pipeline_tag", "safetensors",
    "spaces", "transformersInfo", "widgetData",
}  # fmt: skip
_DATASET = {"citation", "description", "mainSize", "paperswithcode_id"}
_SPACE = {"datasets", "models", "region", "runtime", "sdk", "subdomain"}
EXPAND: dict[str, set[str]] = {
    RepoType.MODEL: _COMMON | _COUNTED | _MODEL,
    RepoType.DATASET: _COMMON | _COUNTED | _DATASET,
    RepoType.SPACE: _COMMON | _SPACE,
    RepoType.KERNEL: _COMMON | _COUNTED,
}
# The portal's own types have what any repo has.
for _table in (BRIEF, FULL, INFO):
    _table |= {RepoType.RECIPE: _table[RepoType.KERNEL], RepoType.TUTORIAL: _table[RepoType.KERNEL]}
EXPAND |= {RepoType.RECIPE: EXPAND[RepoType.KERNEL], RepoType.TUTORIAL: EXPAND[RepoType.KERNEL]}
# Known to clients, never known to this hub: asked for, they are left out.
UNKNOWN_HERE = {
    "citation", "gguf", "inference", "inferenceProviderMapping", "mainSize", "mask_token",
    "paperswithcode_id", "region", "resourceGroup", "widgetData",
}  # fmt: skip


def check_expand(repo_type: str, expand: Collection[str]) -> None:
    """WireError 400 naming the first property that this repo type does not have."""
    allowed = EXPAND[repo_type]
    for name in expand:
        if name not in allowed:
            # Clients' own checks read the words after this phrase.
            known = "|".join(f'"{one}"' for one in sorted(allowed))
            raise WireError(400, f"{name[:60]!r} cannot be expanded: expected one of {known}")
