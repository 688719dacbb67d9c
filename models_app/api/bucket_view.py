"""Endpoints below one bucket: from the URL's words to the bucket, through the gate."""

from __future__ import annotations

from accounts.actor import Actor, Level
from models_app.access import LoginRequired
from models_app.api.wire import HubAPIView
from models_app.buckets import access_bucket
from models_app.models import Bucket


def own_name(actor: Actor, namespace: str) -> str:
    """The namespace that a URL names; `me` is the caller's own. Raises LoginRequired for nobody's own."""
    if namespace != "me":
        return namespace
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    return actor.user.username


class BucketAPIView(HubAPIView):
    """Base of endpoints whose URL names `namespace` and `name`."""

    def bucket(self, need: Level = Level.READ) -> Bucket:
        """The bucket of this URL, or the gate's refusal."""
        namespace = own_name(self.actor, self.kwargs["namespace"])
        return access_bucket(self.actor, f"{namespace}/{self.kwargs['name']}", need)


def storable(text: str) -> bool:
    """Whether a database can compare this text: valid Unicode without NUL. What it cannot, no path is."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
