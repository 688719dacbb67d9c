"""A hub that accepts every upload and keeps nothing: the speed limit of the stock client itself.

python -m bench.sink --port 8000
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 1024 * 1024
OID = "0" * 40


class Sink(BaseHTTPRequestHandler):
    """Answers what `create_repo` and `upload_folder` ask; bodies are read and dropped."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if "xet-write-token" in self.path:
            token = {"casUrl": f"{self.base}/cas", "exp": int(time.time()) + 3600, "accessToken": "x"}
            self.answer(token, **{"X-Xet-Cas-Url": token["casUrl"], "X-Xet-Access-Token": "x",
                                  "X-Xet-Token-Expiration": str(token["exp"])})  # fmt: skip
        elif self.path.endswith("/whoami-v2"):
            self.answer({"name": "alice", "type": "user", "orgs": []})
        elif "/tree/" in self.path:
            self.answer([])
        elif self.path.startswith("/api/models/"):
            self.answer({"id": "alice/x", "sha": OID, "siblings": []})
        else:
            self.answer({"error": "not here"}, 404)

    def do_POST(self) -> None:
        body = self.take(keep="/preupload/" in self.path)
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.answer({"files": [self.plan(file) for file in files], "commitOid": OID})
        elif "/xorbs/" in self.path:
            self.answer({"was_inserted": True})
        elif self.path.endswith("/v1/shards"):
            self.answer({"result": 1})
        elif "/commit/" in self.path:
            self.answer({"success": True, "commitOid": OID, "commitUrl": f"{self.base}/alice/x/commit/{OID}"})
        elif self.path.endswith("/repos/create"):
            self.answer({"url": f"{self.base}/alice/x"})
        elif self.path.endswith("/validate-yaml"):
            self.answer({"errors": [], "warnings": []})
        else:
            self.answer({"error": "not here"}, 404)

    @staticmethod
    def plan(file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["path"].endswith(".bin") else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

    @property
    def base(self) -> str:
        return f"http://{self.headers['Host']}"

    def take(self, *, keep: bool) -> bytes:
        left, kept = int(self.headers.get("Content-Length") or 0), []
        while left:
            piece = self.rfile.read(min(left, PIECE))
            if not piece:
                break
            left -= len(piece)
            if keep:
                kept.append(piece)
        return b"".join(kept)

    def answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silence."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Sink).serve_forever()


if __name__ == "__main__":
    main()
