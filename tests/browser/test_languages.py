"""Every page in Chinese: nothing is left in English but what people wrote and what has no other name."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import visit
from tests.browser.pages import ANONYMOUS, REFUSED, SIGNED_IN
from tests.browser.site import Site
from tests.browser.words import foreign_words

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

# Names of products, formats, units and of what the field calls the same in every language.
_NAMES = """
tuneyard hugging face huggingface python pytorch torchvision transformers timm peft keras sklearn git lfs
curl duckdb pandas webhook webhooks lora dora rslora sgd adam adamw xet safetensors parquet json yaml csv
markdown atom readme apache mit bsd github space spaces kernel kernels english chromium linux cpu gpu
docker redis postgresql sqlite rabbitmq nginx celery api rest http https url uuid utc mobilenetv2
mobilenet imagenet resnet bert onnx gguf html css javascript svg png jpeg webp gif ssh alice bob carol mod
team demo visitor digits main train test validation image classification basic latex openapi
"""
# What the people of the site wrote: names, titles, messages.
_WRITTEN = """
add adds admin ago board boss checkpoint commit first folder from goes good how images initial into is
it label look minutes need network nobody note notes of on pictures place provisioned publish questions
quick recipes result resume shown ten the together vision what wonder write xyzzy you your zzz zzzzz
"""
# Words of the recipe's format, which are the same wherever it is read.
_FORMAT = """
adam alpha auto average balanced beta bucket cat constant conversation cosine cutmix cycle dataset
datasets default delta dog effective encoders esc false focal full gamma gradual grid halving head http
huber int int8 kind label large license light linear loss mae minilm mixup model mse name nf4 none null
one org own pretrained randaugment random rank read recommendation rem scratch shuffled small strategy
strong summarization tab torch tpe translation true two user
"""
NAMES = frozenset((_NAMES + _WRITTEN + _FORMAT).split())


class Reader:
    """Somebody whose browser asks for Chinese."""

    def __init__(self, url: str) -> None:
        self.url = url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self._opener.addheaders = [("Accept-Language", "zh-CN,zh;q=0.9"), ("Accept", "text/html")]

    def get(self, path: str) -> str:
        try:
            with self._opener.open(self.url + path, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def sign_in(self, name: str) -> None:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get("/login"))
        assert found is not None
        form = {"csrfmiddlewaretoken": found[1], "username": name, "password": f"{name}-secret-9"}
        data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{self.url}/login", data, {"Referer": f"{self.url}/login"})
        with self._opener.open(request, timeout=60) as answer:
            assert answer.status == 200


def _left_over(reader: Reader, paths: list[str]) -> dict[str, list[tuple[str, str]]]:
    found = {path: foreign_words(reader.get(path), NAMES) for path in paths}
    return {path: words for path, words in found.items() if words}


def test_what_anybody_sees_is_chinese(whole_site: Site) -> None:
    reader = Reader(whole_site.hub.url)
    assert _left_over(reader, [whole_site.path(path) for path in (*ANONYMOUS, *REFUSED)]) == {}


def test_what_a_member_sees_is_chinese(whole_site: Site) -> None:
    reader = Reader(whole_site.hub.url)
    reader.sign_in("alice")
    assert _left_over(reader, [whole_site.path(path) for path in (*ANONYMOUS, *SIGNED_IN)]) == {}


def test_what_is_refused_is_told_in_chinese(whole_site: Site) -> None:
    """A sentence that an action wrote, with a value in it."""
    reader = Reader(whole_site.hub.url)
    words = reader.get("/compare?model=nobody/nothing")
    assert re.search("[\u4e00-\u9fff]", words)


def test_foreign_words_are_found() -> None:
    page = """<html lang="zh-hans"><body><p>这是 Tuneyard</p><p>left <b>behind</b></p><code>for x in y</code>
    <a class="name" href="/a">some name</a><button aria-label="Close it">关</button><p>alice/net-one</p>"""
    texts = [text for text, _ in foreign_words(page, NAMES)]
    assert texts == ["left", "behind", "Close it"]


def test_the_language_is_switched_and_kept(browser: Browser, whole_site: Site) -> None:
    visitor = visit(browser, whole_site.hub.url, width="desk", theme="light")
    visitor.go("/models")
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    visitor.page.locator("header summary[aria-label='Colours and language']").click()
    visitor.page.locator("header").get_by_role("button", name="简体中文").first.click()
    visitor.page.wait_for_selector("html[lang='zh-hans']")
    assert visitor.page.url.endswith("/models")
    visitor.go("/datasets")
    assert visitor.page.get_by_role("heading", level=1).inner_text().startswith("数据集")
    visitor.page.locator("header summary[aria-label='颜色与语言']").click()
    visitor.page.locator("header").get_by_role("button", name="English").first.click()
    visitor.page.wait_for_selector("html[lang='en']")
    assert visitor.page.get_by_role("heading", level=1).inner_text().startswith("Datasets")
    assert visitor.complaints == []
    visitor.context.close()
