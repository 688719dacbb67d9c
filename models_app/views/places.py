"""Where in a repo a page is: its revision, its commit, its path, and the addresses of its other pages."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from django.http import Http404

from models_app.models import Repo
from models_app.storage.errors import RevisionNotFound
from models_app.storage.gitstore import GitStore

MAX_REVISION_PARTS = 6


@dataclass(frozen=True)
class Place:
    """Where in a repo a page is: the revision as people name it, its commit, and the path below it."""

    revision: str
    oid: str
    path: str

    @property
    def quoted_revision(self) -> str:
        return quote(self.revision, safe="")

    @property
    def quoted_path(self) -> str:
        return quote(self.path)

    @property
    def folder(self) -> str:
        """The path of the folder that the place lies in."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def tail(self) -> str:
        """Revision and path as addresses end with them: `/main/src/net.py`."""
        return f"/{self.quoted_revision}/{self.quoted_path}" if self.path else f"/{self.quoted_revision}"

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """(name, path) of each folder on the way."""
        parts = self.path.split("/") if self.path else []
        return [(part, "/".join(parts[: count + 1])) for count, part in enumerate(parts)]


def find_place(store: GitStore, rest: str) -> Place:
    """Split `refs/pr/1/some/folder` into revision and path; a branch may have slashes in its name.

    The shortest prefix that names a revision wins, as on the wire, where a slash in a revision is quoted.
    """
    parts = rest.strip("/").split("/")
    for count in range(1, min(len(parts), MAX_REVISION_PARTS) + 1):
        revision = "/".join(parts[:count])
        try:
            return Place(revision, store.resolve(revision), "/".join(parts[count:]))
        except RevisionNotFound:
            continue
    raise Http404


def page_path(repo: Repo, word: str, place: Place) -> str:
    """The address of the place's page of this kind: `tree`, `blob`, `edit`, `resolve`."""
    return f"{repo.get_absolute_url()}/{word}{place.tail}"


def resolve_path(repo: Repo, place: Place) -> str:
    """Where the raw bytes of the place are served."""
    return page_path(repo, "resolve", place)
