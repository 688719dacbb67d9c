"""A crawler: follows every link that a role is shown, a few of each kind of page, and says what is broken.

Breadth goes by plain HTTP, which is quick; the browser then opens one page of each kind and listens.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.parse
from collections import Counter, deque
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

# Pages that are opened of one kind (the same route with the same names in its query), and of one route.
PER_KIND, PER_ROUTE = 3, 12
# Those of Django's own administration, whose marks are not ours to mend.
_NOT_OURS = re.compile(r"/admin/")


class _Marks(HTMLParser):
    """What a page links to, less what people wrote, and what can be wrong with it by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings = 0
        self.title = ""
        self._in_title = False
        # The element that holds somebody's Markdown, and how many of its name are open in it.
        self._prose, self._deep = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._prose:
            self._deep += tag == self._prose
        elif "prose" in (given.get("class") or "").split():
            self._prose, self._deep = tag, 1
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.headings += tag == "h1"
        self._in_title = tag == "title" and not self.title
        address = given.get("href") if tag in ("a", "link", "area") else None
        address = given.get("src") if tag in ("img", "script", "source", "iframe") else address
        if tag == "form" and (given.get("method") or "get").lower() == "get":
            address = given.get("action")
        if address and not self._prose:
            self.links.append(address)

    def handle_endtag(self, tag: str) -> None:
        self._deep -= tag == self._prose
        self._prose = self._prose if self._deep else ""
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


@dataclass
class Crawl:
    """One role's way through the hub; `cookie` is its session's."""

    url: str
    cookie: str = ""
    seconds: float = 350
    broken: list[str] = field(default_factory=list)
    # A page of each route, for the browser.
    pages: dict[str, str] = field(default_factory=dict)
    opened: int = 0

    def run(self, *starts: str) -> Crawl:
        """Follow links until there are no new ones, or time is up."""
        began, kinds, routes = time.monotonic(), Counter[tuple[str, str]](), Counter[str]()
        waiting = deque((start, "the start") for start in starts)
        seen = set(starts)
        while waiting and time.monotonic() - began < self.seconds:
            address, source = waiting.popleft()
            for link in self._open(address, source):
                kind = kind_of(link)
                if link not in seen and kinds[kind] < PER_KIND and routes[kind[0]] < PER_ROUTE:
                    seen.add(link)
                    kinds[kind] += 1
                    routes[kind[0]] += 1
                    waiting.append((link, address))
        if waiting:
            self.broken.append(f"time was up with {len(waiting)} links to go")
        return self

    def _open(self, address: str, source: str) -> list[str]:
        """The links of the page at this address; what is wrong with it is kept."""
        status, headers, body = self._get(address)
        self.opened += 1
        if status in (301, 302, 303, 307, 308):
            target = self._inside(urljoin(self.url + address, headers.get("Location", "")))
            return [target] if target else []
        if status >= 400:
            self.broken.append(f"{status} {address} (linked from {source})")
            return []
        if "text/html" not in headers.get("Content-Type", ""):
            return []
        marks = _Marks()
        marks.feed(body.decode(errors="replace"))
        if not _NOT_OURS.match(address):
            self._judge(address, headers, marks)
            self.pages.setdefault(kind_of(address)[0], address)
        absolute = (urljoin(self.url + address, link) for link in marks.links)
        return list(dict.fromkeys(filter(None, map(self._inside, absolute))))

    def _judge(self, address: str, headers: dict[str, str], marks: _Marks) -> None:
        twice = [name for name, count in Counter(marks.ids).items() if count > 1]
        checks = {
            f"ids twice: {twice[:4]}": bool(twice),
            "no title": not marks.title.strip(),
            "no h1": marks.headings == 0,
            "no policy": "default-src 'self'" not in headers.get("Content-Security-Policy", ""),
        }
        self.broken += [f"{told} on {address}" for told, wrong in checks.items() if wrong]
        for link in marks.links:
            name = unquote(link[1:])
            if link.startswith("#") and name and name not in marks.ids:
                self.broken.append(f"nothing at {link} on {address}")

    def _inside(self, address: str) -> str:
        """Path and query of a link into this hub; nothing for others."""
        plain = urldefrag(address).url
        parts = urlsplit(plain)
        if f"{parts.scheme}://{parts.netloc}" != self.url:
            return ""
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _get(self, address: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            headers = {"Cookie": self.cookie, "Accept": "text/html,*/*", "Referer": self.url + "/"}
            connection.request(
                "GET", urllib.parse.quote(address, safe="/?&=%:@+,;~!$'()*#[]"), headers=headers
            )
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


def kind_of(address: str) -> tuple[str, str]:
    """The route behind an address, and the names in its query: one template draws pages of one kind."""
    from django.urls import Resolver404, resolve

    parts = urlsplit(address)
    names = ",".join(sorted({name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}))
    if parts.path.startswith("/static/"):
        return parts.path, ""
    try:
        found = resolve(unquote(parts.path))
    except Resolver404:
        return parts.path, names
    # One route of the administration is as good as another.
    route = found.namespace or f"{found.route} {found.kwargs.get('repo_type', '')}"
    return route, names
