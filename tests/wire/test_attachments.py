"""Files attached to discussions by the stock client: known by their content, served so that nothing runs."""

from __future__ import annotations

import struct
import urllib.error
import urllib.request
import zlib
from email.message import Message
from pathlib import Path

import pytest
from huggingface_hub.errors import HfHubHTTPError

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def png(width: int = 3) -> bytes:
    """A picture that a browser would show."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * (width + 1))) + chunk(b"IEND", b"")
    )


SAMPLES = {
    "a.png": (png(), "image/png"),
    "a.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 60, "image/jpeg"),
    "a.gif": (b"GIF89a" + b"\0" * 60, "image/gif"),
    "a.webp": (b"RIFF\x40\0\0\0WEBPVP8 " + b"\0" * 60, "image/webp"),
    "a.mp4": (b"\0\0\0\x18ftypmp42" + b"\0" * 60, "video/mp4"),
    "a.mov": (b"\0\0\0\x14ftypqt  " + b"\0" * 60, "video/quicktime"),
    "a.webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm" + b"\0" * 60, "video/webm"),
    "a.mp3": (b"\xff\xfb\x90\x64" + b"\0" * 400, "audio/mpeg"),
    "a.wav": (b"RIFF\x40\0\0\0WAVEfmt " + b"\0" * 60, "audio/wav"),
}


def send(
    hub: LiveHub, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Message, bytes]:
    url = path if "://" in path else hub.url + path
    request = urllib.request.Request(
        url, body, {k.replace("_", "-"): v for k, v in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def bearer(hub: LiveHub, name: str = "alice") -> str:
    return f"Bearer {hub.tokens[name]}"


@pytest.mark.parametrize("name", SAMPLES)
def test_what_the_client_uploads_comes_back_as_it_was(hub: LiveHub, tmp_path: Path, name: str) -> None:
    content, kind = SAMPLES[name]
    (tmp_path / name).write_bytes(content)
    url = hub.api().upload_attachment(tmp_path / name)
    assert url.startswith(f"{hub.url}/uploads/")
    assert url.endswith(Path(name).suffix)
    status, headers, body = send(hub, "GET", url)
    assert (status, body) == (200, content)
    assert headers["Content-Type"] == kind
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in headers["Cache-Control"]
    assert headers["Content-Disposition"] == f'inline; filename="{url.rsplit("/", 1)[1]}"'
    assert headers["Content-Security-Policy"].startswith("sandbox")


def test_head_ranges_and_unchanged(hub: LiveHub) -> None:
    _, _, url = send(hub, "POST", "/uploads", png(50), Authorization=bearer(hub))
    address, size = url.decode(), str(len(png(50)))
    status, headers, body = send(hub, "HEAD", address)
    assert (status, body, headers["Content-Length"]) == (200, b"", size)
    assert send(hub, "GET", address, If_None_Match=headers["ETag"])[0] == 304
    status, headers, body = send(hub, "GET", address, Range="bytes=1-3")
    assert (status, body, headers["Content-Range"]) == (206, b"PNG", f"bytes 1-3/{size}")
    assert send(hub, "GET", address, Range="bytes=99999-")[0] == 416


def test_the_content_decides_not_what_is_said_of_it(hub: LiveHub) -> None:
    """A picture called HTML is a picture; HTML called a picture is nothing."""
    status, _, url = send(hub, "POST", "/uploads", png(), Authorization=bearer(hub), Content_Type="text/html")
    assert status == 200
    assert send(hub, "GET", url.decode())[1]["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\0\0\0\x18ftypheic" + b"\0" * 60,
        b"%PDF-1.7",
        b"PK\3\4",
        b"\xff\xff\xff\xff",
        b"RIFF\0\0\0\0AVI " + b"\0" * 60,
        b"\x89PN",
        b"",
    ],
)
def test_what_is_no_picture_sound_or_film_is_refused(hub: LiveHub, content: bytes) -> None:
    status, headers, body = send(
        hub, "POST", "/uploads", content, Authorization=bearer(hub), Content_Type="image/png"
    )
    assert status == 400
    assert b"can be attached" in body
    assert "can be attached" in headers["X-Error-Message"]


def test_size_has_a_limit_and_nothing_stays(hub: LiveHub, tmp_path: Path) -> None:
    before = {path for path in (hub.data_dir / "attachments").rglob("*") if path.is_file()}
    (tmp_path / "big.png").write_bytes(png() + b"\0" * (10 * 1024**2))
    with pytest.raises(HfHubHTTPError, match="larger than 10 MB") as refusal:
        hub.api().upload_attachment(tmp_path / "big.png")
    assert refusal.value.response.status_code == 413
    after = {path for path in (hub.data_dir / "attachments").rglob("*") if path.is_file()}
    assert after == before
    assert not list((hub.data_dir / "tmp").glob("attachment-*"))
    (tmp_path / "big.mp4").write_bytes(SAMPLES["a.mp4"][0] + b"\0" * (10 * 1024**2))
    assert hub.api().upload_attachment(tmp_path / "big.mp4").endswith(".mp4")


def test_strangers_attach_nothing(hub: LiveHub, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api(None).upload_attachment(tmp_path / "a.png")
    assert refusal.value.response.status_code == 401


@pytest.mark.parametrize("name", ["", "x.png", "../../hub.sqlite3", "%2e%2e%2fhub.sqlite3",
                                  "00000000-0000-0000-0000-000000000000.png"])  # fmt: skip
def test_other_names_lead_nowhere(hub: LiveHub, name: str) -> None:
    assert send(hub, "GET", f"/uploads/{name}")[0] == 404


def test_the_extension_belongs_to_the_file(hub: LiveHub) -> None:
    _, _, url = send(hub, "POST", "/uploads", png(), Authorization=bearer(hub))
    assert send(hub, "GET", url.decode().replace(".png", ".mp4"))[0] == 404
