"""What changed between two commits, as one text that patches: the wire's comparison.

Pages, which show a diff file by file, have theirs from `gitdiff`.
"""

from __future__ import annotations

import pygit2

from models_app.storage.gitstore import GitStore

MAX_DIFF_BYTES = 4 * 1024**2
# Each is read whole to see whether it is text, and many paths may share one large blob.
MAX_FILES = 3000
# Every file that came is compared with every one that went, as long as there are no more of them than this.
_RENAMES = 200


def diff_text(store: GitStore, old: str, new: str, limit: int = MAX_DIFF_BYTES) -> bytes:
    """A unified diff from commit `old` to commit `new`, of at most about `limit` bytes and MAX_FILES
    files; one that is cut ends with a line that says so. Large files appear as their pointers."""
    repository = store.repository
    before, after = (repository[oid].peel(pygit2.Tree) for oid in (old, new))
    diff = before.diff_to_tree(after)
    diff.find_similar(rename_limit=_RENAMES)
    parts: list[bytes] = []
    room = limit
    for number, patch in enumerate(diff):
        data = bytes(patch.data) if patch is not None else b""
        if len(data) > room or number == MAX_FILES:
            longer = f"longer than {limit} bytes or {MAX_FILES} files"
            parts.append(f"# The diff is {longer}; the rest is left out.\n".encode())
            break
        parts.append(data)
        room -= len(data)
    return b"".join(parts)
