"""Files put into discussions: a picture, a sound or a film, known by its content and by nothing else."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from accounts.actor import Actor
from accounts.models import TokenRole, User
from models_app.access import Forbidden, LoginRequired
from models_app.actions.refusals import InvalidInput
from models_app.content.media import EXTENSIONS, HEAD_BYTES, media_type
from models_app.models import Attachment
from models_app.storage.attachments import AttachmentStore, copy_bounded
from models_app.storage.streams import Body


class TooMuch(InvalidInput):
    """The file is larger than this hub takes, or its owner has no room left."""


def attachment_store() -> AttachmentStore:
    """Where the files lie."""
    return AttachmentStore(settings.HUB_ATTACHMENTS_DIR, settings.HUB_TMP_DIR)


def file_name(attachment: Attachment) -> str:
    """`{uuid}.{extension}`, on disk as in the URL."""
    return f"{attachment.uuid}.{EXTENSIONS[attachment.content_type]}"


def check_may_attach(actor: Actor) -> User:
    """The person who attaches; a token must be one that may write somewhere, and not a run's."""
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    if actor.token is None or actor.token.role == TokenRole.WRITE:
        return actor.user
    reached = [
        *actor.token.scopes.get("repos", {}).values(),
        *actor.token.scopes.get("namespaces", {}).values(),
    ]
    if actor.token.role == TokenRole.READ or "run" in actor.token.scopes or set(reached) <= {"read"}:
        raise Forbidden("You must use a write token to attach files.")
    return actor.user


def save_attachment(actor: Actor, *, body: Body, announced: int | None) -> Attachment:
    """Store the body, of `announced` bytes where that is known, whole or not at all.

    Raises InvalidInput (no picture, sound or film), TooMuch, BodyCutShort, or as `check_may_attach` does.
    """
    owner = check_may_attach(actor)
    head = _read_head(body)
    kind = media_type(head)
    if kind is None:
        raise InvalidInput("Only PNG, JPEG, GIF, WebP, MP4, MOV, WebM, MP3 and WAV files can be attached.")
    video = kind.startswith("video/")
    limit = settings.HUB_ATTACHMENT_VIDEO_BYTES if video else settings.HUB_ATTACHMENT_BYTES
    if announced is not None and announced > limit:
        raise _too_large(kind, limit)
    with attachment_store().staged() as file:
        size = copy_bounded(body, head, file, announced=announced, limit=limit)
        if size < 0:
            raise _too_large(kind, limit)
        return _keep(owner, Path(file.name), kind, size)


def _keep(owner: User, staged: Path, kind: str, size: int) -> Attachment:
    attachment = Attachment(uuid=uuid.uuid4(), owner=owner, content_type=kind, size=size)
    store, name = attachment_store(), file_name(attachment)
    try:
        with transaction.atomic():
            kept = Attachment.objects.filter(owner=owner).aggregate(total=Sum("size"))["total"] or 0
            if kept + size > settings.HUB_ATTACHMENTS_PER_USER_BYTES:
                raise TooMuch("You have attached as much as this hub keeps for one person.")
            attachment.save(force_insert=True)
            store.keep(staged, name)
    except BaseException:
        store.forget(name)
        raise
    return attachment


def _read_head(body: Body) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (piece := body.read(HEAD_BYTES - len(head))):
        head += piece
    return head


def _too_large(kind: str, limit: int) -> TooMuch:
    what = kind.partition("/")[0]
    return TooMuch(f"The {what} is larger than {limit // 1024**2} MB, the most this hub takes.")
