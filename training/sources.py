"""A model or data set as the command line names it: a directory, or `namespace/name[@revision]`."""

from __future__ import annotations

import os
from pathlib import Path

from training.errors import EngineError, UserError
from training.origin import MODEL_FILES


def resolve_source(
    text: str, repo_type: str, *, revision: str | None = None, near: Path | None = None
) -> Path:
    """The directory `text` stands for. Repos are fetched with huggingface_hub (`HF_ENDPOINT`, `HF_TOKEN`).

    `near`: where relative paths of a recipe file start. Raises `UserError` for what is missing or forbidden.
    """
    path = Path(text).expanduser()
    for candidate in [(near / path) if near else path, path]:
        if candidate.is_dir():
            return candidate
    if text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise UserError("repo:not-found", f"There is no directory {text}.")
    repo_id, _, named = text.partition("@")
    return _download(repo_id, repo_type, revision or named or None)


def _download(repo_id: str, repo_type: str, revision: str | None) -> Path:
    # Imported here: the command line is for local directories too, and this import is slow.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    shown = f"{repo_type} {repo_id}" + (f" at {revision}" if revision else "")
    patterns = MODEL_FILES if repo_type == "model" else None
    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        found = snapshot_download(
            repo_id, repo_type=repo_type, revision=revision, allow_patterns=patterns, endpoint=endpoint
        )
    except HFValidationError:
        text = f"{repo_id!r} is neither a directory nor the name of a repo (namespace/name)."
        raise UserError("repo:not-found", text) from None
    except GatedRepoError:
        raise UserError("repo:gated", f"The {shown} is gated: ask for access on its page first.") from None
    except RepositoryNotFoundError:
        text = f"There is no {shown} on the hub, or your token may not see it."
        raise UserError("repo:not-found", text) from None
    except RevisionNotFoundError:
        raise UserError("repo:no-revision", f"There is no {shown}.") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise EngineError("hub:unreachable", f"The {shown} could not be fetched from the hub.") from error
    return Path(found)
