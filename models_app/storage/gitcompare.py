"""What changed between two commits, as the text of a diff."""

from __future__ import annotations

import pygit2

from models_app.storage.gitstore import GitStore

MAX_DIFF_BYTES = 4 * 1024**2


def diff_text(store: GitStore, old: str, new: str, limit: int = MAX_DIFF_BYTES) -> bytes:
    """A unified diff from commit `old` to commit `new`, of at most about `limit` bytes; one that is cut ends
    with a line that says so. Large files appear as their pointers."""
    repository = store.repository
    before, after = (repository[oid].peel(pygit2.Tree) for oid in (old, new))
    diff = before.diff_to_tree(after)
    diff.find_similar()
    parts: list[bytes] = []
    room = limit
    for patch in diff:
        data = bytes(patch.data) if patch is not None else b""
        if len(data) > room:
            parts.append(f"# The diff is longer than {limit} bytes; the rest is left out.\n".encode())
            break
        parts.append(data)
        room -= len(data)
    return b"".join(parts)
