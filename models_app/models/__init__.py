"""Tables, one file a noun."""

from __future__ import annotations

from models_app.models.bucket import Bucket, BucketFile, BucketUpload
from models_app.models.community import (
    Attachment,
    Contribution,
    Discussion,
    DiscussionEvent,
    DiscussionStatus,
    Reaction,
)
from models_app.models.content import Chunk, FileTerm, LargeFile, RepoFile, Xorb
from models_app.models.event import Event, EventTag
from models_app.models.index import (
    BaseModelEdge,
    Benchmark,
    BoardMove,
    EvalResult,
    Recipe,
    RepoCard,
    RepoTag,
)
from models_app.models.lock import FileLock
from models_app.models.repo import (
    FORUM_NAMESPACE,
    WIRE_TYPES,
    DownloadCount,
    Repo,
    RepoQuerySet,
    RepoRedirect,
    RepoType,
)
from models_app.models.social import (
    AccessRequest,
    AccessStatus,
    Collection,
    CollectionItem,
    Follow,
    Like,
    ProfilePin,
)
from models_app.models.telling import (
    Badge,
    Followed,
    NoteKind,
    NoteSetting,
    Notification,
    RepoFollow,
    SavedSearch,
    ThreadSubscription,
)
from models_app.models.webhook import DeliveryStatus, WatchedItem, WatchType, Webhook, WebhookDelivery

__all__ = [
    "FORUM_NAMESPACE",
    "WIRE_TYPES",
    "AccessRequest",
    "AccessStatus",
    "Attachment",
    "Badge",
    "BaseModelEdge",
    "Benchmark",
    "BoardMove",
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
    "Followed",
    "LargeFile",
    "Like",
    "NoteKind",
    "NoteSetting",
    "Notification",
    "ProfilePin",
    "Reaction",
    "Recipe",
    "Repo",
    "RepoCard",
    "RepoFile",
    "RepoFollow",
    "RepoQuerySet",
    "RepoRedirect",
    "RepoTag",
    "RepoType",
    "SavedSearch",
    "ThreadSubscription",
    "WatchType",
    "WatchedItem",
    "Webhook",
    "WebhookDelivery",
    "Xorb",
]
