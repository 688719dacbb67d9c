"""What each view wants as a request's body, by media type. Loose where a view takes several forms."""

from __future__ import annotations

from rest_framework.views import APIView

from hub.openapi.routes import Schema
from models_app.api import (
    access_requests,
    attachments,
    bucket_tree,
    buckets,
    collections,
    commits,
    discussions,
    files,
    git,
    lfs,
    lfs_locks,
    lfs_parts,
    moves,
    oauth,
    page_uploads,
    repos,
    squash,
    webhooks,
    xet_copies,
    xet_upload,
)
from runs import api as runs
from runs import checkpoints_api, jobs_api, preflights_api, sweeps_api, worker_api, workers_api

Body = dict[str, Schema]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
FLAG: Schema = {"type": "boolean"}
SIZE: Schema = {"type": "integer", "minimum": 0}
ANY: Schema = {"type": "object"}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
XET_HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
VISIBILITY: Schema = {"type": "string", "enum": ["public", "private"]}
REPO_TYPE: Schema = {"type": "string", "enum": ["model", "dataset", "space", "kernel"]}
_BYTES: Body = {"application/octet-stream": {"type": "string", "format": "binary"}}


def record(*required: str, **fields: Schema) -> Schema:
    """An object with these fields; others are passed over."""
    return {"type": "object", "properties": fields} | ({"required": list(required)} if required else {})


def rows(one: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": one}


def _json(*required: str, **fields: Schema) -> Body:
    return {"application/json": record(*required, **fields)}


def _exactly(*required: str, **fields: Schema) -> Body:
    """An object with no other fields: one that is misspelt is refused."""
    return {"application/json": {**record(*required, **fields), "additionalProperties": False}}


def _lfs(*required: str, **fields: Schema) -> Body:
    return {"application/vnd.git-lfs+json": record(*required, **fields)}


def _form(*required: str, **fields: Schema) -> Body:
    return {"application/x-www-form-urlencoded": record(*required, **fields)}


def _lines(line: Schema) -> Body:
    """One JSON object a line."""
    return {"application/x-ndjson": rows(line)}


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_NAMED = {"name": TEXT, "organization": TEXT, "type": REPO_TYPE}
_OBJECT = record("oid", "size", oid=SHA256, size=SIZE)
_COMMIT_LINE = record(
    "key",
    "value",
    key=_words("header", "file", "lfsFile", "deletedFile", "deletedFolder", "deletedEntry"),
    value=record(
        summary=TEXT,
        description=TEXT,
        parentCommit=TEXT,
        path=TEXT,
        content=TEXT,
        encoding=_words("utf-8", "base64"),
        algo=_words("sha256"),
        oid=SHA256,
        size=SIZE,
    ),
)
_BUCKET_LINE = record(
    "type",
    "path",
    type=_words("addFile", "copyFile", "deleteFile"),
    path=TEXT,
    xetHash=XET_HASH,
    mtime={"type": "number"},
    contentType=TEXT,
    sourceRepoType=_words("model", "dataset", "space", "kernel", "bucket"),
    sourceRepoId=TEXT,
)
_HOOK = {"watched": rows(record(type=TEXT, name=TEXT)), "domains": TEXTS, "secret": TEXT, "url": TEXT}
_JOB = {
    "dockerImage": TEXT,
    "command": TEXTS,
    "arguments": TEXTS,
    "environment": ANY,
    "flavor": TEXT,
    "timeoutSeconds": SIZE,
    "labels": ANY,
}
_UUID: Schema = {"type": "string", "format": "uuid"}
_SUBMITTED: dict[str, Schema] = {
    "recipe": {"type": ["object", "string"]},
    "flavor": TEXT,
    "private": {"type": ["boolean", "null"]},
    "timeoutSeconds": SIZE,
    "labels": ANY,
    "id": _UUID,
}
_HARDWARE = record(gpu=TEXT, gpu_memory_bytes=SIZE, memory_bytes=SIZE, cores=SIZE, platform=TEXT)
_ITEM = record("id", "type", id=TEXT, type=TEXT)
# By view and method.
BODIES: dict[tuple[type[APIView], str], Body] = {
    (repos.CreateRepo, "post"): _json("name", **_NAMED, private=FLAG, visibility=VISIBILITY, sdk=TEXT),
    (repos.DeleteRepo, "delete"): _json("name", **_NAMED),
    (repos.RepoSettings, "put"): _json(
        private=FLAG, visibility=VISIBILITY, gated=_words("auto", "manual", "false"), discussionsDisabled=FLAG
    ),
    (moves.MoveRepo, "post"): _json("fromRepo", "toRepo", fromRepo=TEXT, toRepo=TEXT, type=TEXT),
    (moves.DuplicateRepo, "post"): _json("repository", repository=TEXT, visibility=VISIBILITY, private=FLAG),
    (commits.ValidateYaml, "post"): _json("content", content=TEXT, repoType=REPO_TYPE),
    (commits.Preupload, "post"): _json(
        "files",
        files=rows(record("path", path=TEXT, size=SIZE, sample=TEXT)),
        gitIgnore=TEXT,
        gitAttributes=TEXT,
    ),
    (commits.Commit, "post"): _lines(_COMMIT_LINE),
    (commits.Branch, "post"): _json(startingPoint=TEXT),
    (commits.Tag, "post"): _json("tag", tag=TEXT, message=TEXT),
    (files.PathsInfo, "post"): {
        **_json(paths=TEXTS, expand=FLAG),
        **_form(paths=TEXTS, expand=_words("true", "false")),
    },
    (squash.SuperSquash, "post"): _json(message=TEXT),
    (squash.LfsFilesBatch, "post"): _json(
        "deletions", deletions=record("sha", sha=rows(SHA256), rewriteHistory=FLAG)
    ),
    (xet_copies.DuplicateLargeFiles, "post"): _json(
        "target",
        "files",
        target=record("name", name=TEXT, type=REPO_TYPE),
        files=rows(record("sha256", "xetHash", sha256=SHA256, xetHash=XET_HASH, filename=TEXT)),
    ),
    (discussions.Discussions, "post"): _json("title", title=TEXT, description=TEXT, pullRequest=FLAG),
    (discussions.Comment, "post"): _json("comment", comment=TEXT),
    (discussions.EditComment, "post"): _json("content", content=TEXT),
    (discussions.Title, "post"): _json("title", title=TEXT),
    (discussions.Status, "post"): _json("status", status=_words("open", "closed"), comment=TEXT),
    (discussions.Merge, "post"): _json(comment=TEXT),
    (access_requests.HandleRequest, "post"): _json(
        "status", user=TEXT, requestId=TEXT, status=TEXT, rejectionReason=TEXT
    ),
    (access_requests.GrantAccess, "post"): _json("user", user=TEXT),
    (access_requests.AskAccess, "post"): {"application/json": ANY, "application/x-www-form-urlencoded": ANY},
    (collections.Collections, "post"): _json(
        "title", title=TEXT, namespace=TEXT, description=TEXT, private=FLAG, item=_ITEM
    ),
    (collections.OneCollection, "patch"): _json(
        title=TEXT, description=TEXT, theme=TEXT, private=FLAG, position=SIZE
    ),
    (collections.Items, "post"): _json("item", item=_ITEM, note=TEXT),
    (collections.OneItem, "patch"): _json(note=TEXT, position=SIZE),
    (webhooks.Webhooks, "post"): _json("url", "watched", **_HOOK),
    (webhooks.OneWebhook, "post"): _json(**_HOOK),
    (oauth.StartDevice, "post"): _form(client_id=TEXT),
    (oauth.Token, "post"): _form(
        "grant_type", grant_type=TEXT, device_code=TEXT, refresh_token=TEXT, client_id=TEXT
    ),
    (buckets.BucketRoot, "post"): _json(private=FLAG, visibility=VISIBILITY),
    (buckets.BucketSettings, "put"): _json(private=FLAG, visibility=VISIBILITY),
    (bucket_tree.BucketPaths, "post"): _json("paths", paths=TEXTS),
    (bucket_tree.BucketBatch, "post"): _lines(_BUCKET_LINE),
    (attachments.Uploads, "post"): _BYTES,
    (git.UploadPack, "post"): {"application/x-git-upload-pack-request": _BYTES["application/octet-stream"]},
    (git.ReceivePack, "post"): {"application/x-git-receive-pack-request": _BYTES["application/octet-stream"]},
    (lfs.Batch, "post"): _lfs(
        "operation",
        "objects",
        operation=_words("download", "upload"),
        objects=rows(_OBJECT),
        transfers=TEXTS,
        hash_algo=_words("sha256"),
        ref=record(name=TEXT),
    ),
    (lfs.Objects, "put"): _BYTES,
    (lfs.Verify, "post"): _lfs("oid", "size", oid=SHA256, size=SIZE),
    (page_uploads.UploadParts, "post"): _json("oid", "size", oid=SHA256, size=SIZE),
    (lfs_parts.Part, "put"): _BYTES,
    (lfs_parts.Complete, "post"): _lfs(
        "oid", "parts", oid=SHA256, parts=rows(record("partNumber", "etag", partNumber=SIZE, etag=TEXT))
    ),
    (lfs_locks.Locks, "post"): _lfs("path", path=TEXT, ref=record(name=TEXT)),
    (lfs_locks.VerifyLocks, "post"): _lfs(cursor=TEXT, limit=SIZE, ref=record(name=TEXT)),
    (lfs_locks.Unlock, "post"): _lfs(force=FLAG, ref=record(name=TEXT)),
    (xet_upload.Xorbs, "post"): _BYTES,
    (xet_upload.Shards, "post"): _BYTES,
    (xet_upload.ShardsWithProgress, "post"): _BYTES,
    (runs.RunsView, "post"): _exactly(
        target=TEXT, parent=_UUID, recipe_repo=TEXT, base=TEXT, dataset=TEXT, **_SUBMITTED
    ),
    (sweeps_api.SweepsView, "post"): _exactly(
        "recipe",
        "axes",
        axes=ANY,
        name=TEXT,
        namespace=TEXT,
        mode=_words("grid", "random"),
        samples=SIZE,
        **_SUBMITTED,
    ),
    (sweeps_api.ExtendSweepView, "post"): _exactly(axes=ANY, samples=SIZE),
    (workers_api.HelloView, "post"): _json(
        flavors=TEXTS, versions=ANY, hardware=_HARDWARE, doing=_words("idle", "busy", "stopping")
    ),
    (worker_api.ClaimNextView, "post"): _json(flavors=TEXTS, versions=ANY, hardware=ANY),
    (preflights_api.PreflightsView, "post"): _json("recipe", recipe=ANY, flavor=TEXT, namespace=TEXT),
    (worker_api.ClaimView, "post"): _json(flavors=TEXTS, versions=ANY, hardware=ANY),
    (worker_api.ReportView, "post"): _json(
        "attempt",
        attempt=SIZE,
        activity=TEXT,
        step=SIZE,
        total_steps=SIZE,
        metrics=rows(record("step", "name", "value", step=SIZE, name=TEXT, value={"type": "number"})),
        logs=rows(record("seq", "at", "text", seq=SIZE, at=TEXT, text=TEXT)),
    ),
    (checkpoints_api.CheckpointView, "put"): _BYTES,
    (worker_api.ResultView, "post"): _json("attempt", "evaluation", attempt=SIZE, evaluation=ANY),
    (worker_api.FinishView, "post"): _json(
        "attempt",
        "outcome",
        attempt=SIZE,
        outcome=TEXT,
        result_oid=TEXT,
        message_id=TEXT,
        message=TEXT,
        summary=ANY,
    ),
    (jobs_api.Jobs, "post"): _json("dockerImage", **_JOB),
    (jobs_api.JobLabels, "put"): _json("labels", labels=ANY),
}
