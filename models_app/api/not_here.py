"""What the public hub has beside repos and this one has not: refused in a sentence that the client prints."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, re_path

from models_app.api.wire import error_response

_ABSENT = {
    r"^api/(?:daily_papers|papers)(?:/|$)": "This hub keeps no papers.",
    r"^papers/[^/]+\.md$": "This hub keeps no papers.",
    r"^api/sandbox(?:es)?(?:/|$)": "This hub has no sandboxes.",
    r"^api/(?:inference-endpoints|inference-proxy|endpoints|endpoint)(?:/|$)": (
        "This hub deploys no models: it has no inference endpoints and no inference providers."
    ),
    r"^api/skills(?:/|$)": "This hub distributes no skills.",
    r"^api/agents?(?:/|$)": "This hub runs no agents.",
    r"^api/posts(?:/|$)": "This hub has no posts.",
    r"^api/(?:notifications|settings/notifications)(?:/|$)": "This hub notifies nobody: use a webhook.",
    r"^api/settings/billing(?:/|$)": "Nothing on this hub is billed.",
    r"^api/(?:resource-groups|organizations/[^/]+/resource-groups)(?:/|$)": (
        "This hub has no resource groups."
    ),
    r"^api/collections/[^/]+/[^/]+/resource-group$": "This hub has no resource groups.",
    r"^api/spaces/zero-gpu/quota$": "This hub runs no spaces and has no ZeroGPU to share out.",
}


def _refusal(sentence: str) -> Callable[..., JsonResponse]:
    def refuse(request: HttpRequest) -> JsonResponse:
        return error_response(404, sentence)

    return refuse


urlpatterns: list[URLPattern] = [re_path(pattern, _refusal(text)) for pattern, text in _ABSENT.items()]
