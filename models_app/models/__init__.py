"""Tables, one file a noun."""

from __future__ import annotations

from models_app.models.bucket import Bucket, BucketFile, BucketUpload
from models_app.models.community import (
    Attachment,
    Contribution,
    Discussion,
    DiscussionEvent,
    DiscussionStatus,
)
from models_app.models.content import Chunk, FileTerm, LargeFile, RepoFile, Xorb
from models_app.models.event import Event, EventTag
from models_app.models.index import BaseModelEdge, Benchmark, EvalResult, RepoCard, RepoTag
from models_app.models.lock import FileLock
from models_app.models.repo import DownloadCount, Repo, RepoQuerySet, RepoRedirect, RepoType
from models_app.models.social import AccessRequest, AccessStatus, Collection, CollectionItem, Follow, Like
from models_app.models.webhook import DeliveryStatus, WatchedItem, WatchType, Webhook, WebhookDelivery

__all__ = [
    "AccessRequest",
    "AccessStatus",
    "Attachment",
    "BaseModelEdge",
    "Benchmark",
    "Bucket",
    "BucketFile",
    "BucketUpload",
    "Chunk",
    "Collection",
    "CollectionItem",
    "Contribution",
    "DeliveryStatus",
    "Discussion",
    "DiscussionEvent",
    "DiscussionStatus",
    "DownloadCount",
    "EvalResult",
    "Event",
    "EventTag",
    "FileLock",
    "FileTerm",
    "Follow",
    "LargeFile",
    "Like",
    "Repo",
    "RepoCard",
    "RepoFile",
    "RepoQuerySet",
    "RepoRedirect",
    "RepoTag",
    "RepoType",
    "WatchType",
    "WatchedItem",
    "Webhook",
    "WebhookDelivery",
    "Xorb",
]
