"""The content of a bucket's files: tickets for Xet, and the plain download (sections 16 and 19)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.request import Request

from accounts.actor import Level
from models_app.api.bucket_view import BucketAPIView, storable
from models_app.api.resolve import content_headers, ranged, unchanged
from models_app.api.wire import public_url
from models_app.api.xet import connection, mint_ticket
from models_app.models import BucketFile
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry
from models_app.storage.lfs import Pointer


class BucketXetToken(BucketAPIView):
    """GET /api/buckets/{id}/xet-{read|write}-token: JSON for hf-xet, headers for Python."""

    access = "read"

    def get(self, request: HttpRequest, **words: str) -> HttpResponse:
        bucket = self.bucket(Level.WRITE if self.access == "write" else Level.READ)
        return connection(mint_ticket(self.actor, bucket, self.access))


class BucketResolve(BucketAPIView):
    """GET and HEAD /buckets/{id}/resolve/{path}: the content, with where to get it by Xet (section 19.1)."""

    def get(self, request: Request, path: str, **words: str) -> HttpResponseBase:
        bucket = self.bucket()
        rows = BucketFile.objects.filter(bucket=bucket).select_related("file")
        row = rows.filter(path=path).first() if storable(path) else None
        if row is None:
            raise EntryNotFound("Entry not found")
        pointer = Pointer(row.file.sha256, row.file.size)
        entry = Entry("file", row.path, "", row.file.size, pointer)
        token_url = public_url(f"/api/buckets/{bucket.bucket_id}/xet-read-token")
        # The sender's own content type is only told: what is served as what, the name decides, as in repos.
        headers = content_headers(request, entry) | {
            "X-Xet-Hash": row.file.xet_hash,
            "Link": f'<{token_url}>; rel="xet-auth"',
        }
        if unchanged(request, entry.etag):
            return HttpResponse(status=304, headers=headers)
        return ranged(request, entry, row.file, headers)
