"""A browser without a screen: cookies, CSRF tokens and forms, where a person answers on a page."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from urllib.parse import urlencode

from tests.live import LiveHub


@dataclass
class Session:
    """One person's cookies on one hub."""

    hub: LiveHub
    opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(cookies, urllib.request.ProxyHandler({}))

    def get(self, path: str) -> str:
        """The page's text; `path` may be a whole URL of this hub."""
        with self.opener.open(path if "://" in path else self.hub.url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, page: str, **fields: str) -> str:
        """Submit a form of `page`: the text of what comes of it, redirects followed."""
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found, "the page has no form"
        body = urlencode({"csrfmiddlewaretoken": found[1], **fields}).encode()
        request = urllib.request.Request(self.hub.url + path, body, {"Referer": self.hub.url + path})
        try:
            with self.opener.open(request, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())

    def sign_in(self, name: str) -> Session:
        """Through the form, as people do."""
        page = self.post("/login", self.get("/login"), username=name, password=f"{name}-secret-9")
        assert f'href="/{name}"' in page
        return self
