"""Who must show what: the schemes, and which views need or take which."""

from __future__ import annotations

from typing import Any

from rest_framework.views import APIView

from models_app.api import (
    access_requests,
    bucket_tree,
    commits,
    files,
    git,
    lfs,
    lfs_locks,
    lfs_parts,
    my_repos,
    oauth,
    squash,
    users,
    webhooks,
    xet_download,
    xet_links,
    xet_upload,
)

SCHEMES: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of a person; of workers and runs their own.",
    },
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "For git and git-lfs: an access token as the password.",
    },
    "ticket": {
        "type": "http",
        "scheme": "bearer",
        "description": "For the CAS: what `xet-…-token` hands out for one repo or bucket.",
    },
    "link": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "The signature of a link that the hub handed out; it needs no other credentials.",
    },
}
_LINKS: set[type[APIView]] = {
    lfs.Objects,
    lfs.Verify,
    lfs_parts.Part,
    lfs_parts.Complete,
    xet_links.XorbBytes,
}
_TICKETS: set[type[APIView]] = {
    xet_upload.Xorbs,
    xet_upload.Shards,
    xet_upload.ShardsWithProgress,
    xet_download.Reconstructions,
    xet_download.ChunkLookup,
}
_GIT: set[type[APIView]] = {
    git.InfoRefs,
    git.UploadPack,
    git.ReceivePack,
    lfs.Batch,
    lfs_locks.Locks,
    lfs_locks.VerifyLocks,
    lfs_locks.Unlock,
}
# Reads that tell nothing to who is not signed in, and the other methods that need nobody.
_SIGNED_IN: set[type[APIView]] = {
    users.WhoAmI,
    my_repos.MyRepositories,
    my_repos.OrganizationRepositories,
    webhooks.Webhooks,
    webhooks.OneWebhook,
    access_requests.AccessRequests,
    squash.LfsFiles,
}
_FOR_ALL: set[type[APIView]] = {
    commits.ValidateYaml,
    files.PathsInfo,
    bucket_tree.BucketPaths,
    users.Telemetry,
    xet_upload.Telemetry,
    oauth.StartDevice,
    oauth.Token,
    git.UploadPack,
    lfs.Batch,
}


def security_of(view: type[APIView], method: str) -> list[dict[str, list[str]]]:
    """The alternatives, as OpenAPI has them; an empty one where nothing need be shown."""
    if view in _LINKS:
        return [{"link": []}]
    if view in _TICKETS:
        return [{"ticket": []}]
    schemes: list[dict[str, list[str]]] = [{"token": []}]
    if view in _GIT:
        schemes.append({"password": []})
    reads = method in ("get", "head")
    needed = view in _SIGNED_IN if reads else view not in _FOR_ALL
    return schemes if needed else [{}, *schemes]
