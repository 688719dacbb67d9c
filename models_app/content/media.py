"""Which picture, sound or film the first bytes of a file announce; nothing that runs in a browser is one."""

from __future__ import annotations

# What the stock client uploads (`upload_attachment`), by the extension each is served under.
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}
HEAD_BYTES = 64
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"ID3", "audio/mpeg"),
)
_MP4_BRANDS = (b"isom", b"iso", b"mp4", b"avc1", b"M4V", b"dash", b"mmp4", b"MSNV", b"3gp")


def media_type(head: bytes) -> str | None:
    """The type that the first HEAD_BYTES of a file say it is; None for all else, SVG and HTML included."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        if head[8:12] == b"qt  ":
            return "video/quicktime"
        return "video/mp4" if head[8:12].startswith(_MP4_BRANDS) else None
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:HEAD_BYTES] else None
    return "audio/mpeg" if _is_mpeg_frame(head) else None


def _is_mpeg_frame(head: bytes) -> bool:
    """Eleven set bits, layer III, and a bit rate and a sample rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return False
    return head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C
