"""Links to the stored bytes of a file: signed, for one range of one container, good without credentials.

A link opens only the bytes of the file it was made for: what else lies in the same container stays shut
(decisions 0004 and 0014).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from django.core import signing
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from accounts.actor import Actor
from models_app.api.recent import is_read_once
from models_app.api.wire import HubAPIView, WireError, public_url
from models_app.api.xet import CAS, living_reader, named
from models_app.files import xorb_store
from models_app.large_files import Place
from models_app.storage.errors import ContentLost
from models_app.storage.streams import ahead
from models_app.storage.xet.reconstruct import FetchRange
from models_app.storage.xet.store import FileSlice

# A client that comes later gets 403 and asks for the reconstruction again.
LINK_SECONDS = 3600
_SALT = "tuneyard.xorb"
# For servers that do not let the kernel send.
_PIECE_BYTES = 1024**2
# Clients that do not know the size ask up to the largest whole number of 64 bits.
_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})")

# The link to a run of chunks of the container with this name.
Linker = Callable[[str, FetchRange], str]


def linker(actor: Actor, place: Place, generation: int) -> Linker:
    """Makes links for what the actor reads in this repo or bucket."""
    bearer = named(actor, place)

    def link(container: str, run: FetchRange) -> str:
        said = {**bearer, "x": container, "f": run.byte_start, "l": run.byte_stop}
        return public_url(f"/cas/g{generation}/xorbs/{container}?ticket={signing.dumps(said, salt=_SALT)}")

    return link


class XorbBytes(HubAPIView):
    """GET and HEAD /cas/{gen}/xorbs/{hash}?ticket=…: bytes of a stored container, in the range of the link.

    Clients send no credentials here; whoever the link was made for is asked again. 403 for a bad or old link.
    """

    def get(self, request: HttpRequest, generation: int, name: str) -> HttpResponseBase:
        try:
            data = signing.loads(request.GET.get("ticket", ""), salt=_SALT, max_age=LINK_SECONDS)
        except signing.BadSignature as error:
            raise WireError(
                403, "The link has expired or is not from this hub; ask for a new one."
            ) from error
        if data["x"] != name:
            raise WireError(403, "The link is for another xorb.")
        living_reader(data)
        return _slice_response(request, name, data["f"], data["l"])


def _slice_response(request: HttpRequest, name: str, first: int, last: int) -> HttpResponseBase:
    """What is asked of the container, as long as it lies between the bytes `first` and `last` (exclusive)."""
    store = xorb_store()
    try:
        file = store.open(name)
    except FileNotFoundError as error:
        raise ContentLost from error
    size = file.seek(0, os.SEEK_END)
    start, stop = asked_range(request, size)
    if not first <= start < stop <= last:
        file.close()
        raise WireError(416, f"The link opens the bytes {first} to {last - 1}; ask for some of them.")
    response: FileResponse | StreamingHttpResponse
    if is_read_once(f"{name} {start}", stop - start):
        file.close()
        response = StreamingHttpResponse(ahead(store.stream_once(name, start, stop)), status=206)
        response["Content-Type"] = "application/octet-stream"
    else:
        # Handed over as a file, so that the server may let the kernel send it.
        slice = FileSlice(file, start, stop)
        response = FileResponse(slice, content_type="application/octet-stream", status=206)
        response.block_size = _PIECE_BYTES
    response["Content-Length"] = str(stop - start)
    response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-store"
    return response


def asked_range(request: HttpRequest, size: int) -> tuple[int, int]:
    """Start and end (exclusive) of the single range asked for within `size` bytes, all of them by default;
    the start is not before the end where there is nothing. WireError 416 for what is no such range."""
    text = request.headers.get("Range")
    if text is None:
        return 0, size
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        raise WireError(416, "'Range' must name one range of bytes, as in 'bytes=0-1023'.")
    if not found[1]:
        return max(0, size - int(found[2])), size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size


urlpatterns = [path(f"{CAS}/xorbs/<str:name>", XorbBytes.as_view())]
