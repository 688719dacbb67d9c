"""What a new repo holds before anybody has put anything in (hf-wire section 3)."""

from __future__ import annotations

import json

from models_app.content.filetypes import initial_gitattributes

SDKS = ("gradio", "streamlit", "docker", "static")
_APP_FILES = {"gradio": "app.py", "streamlit": "app.py"}
_PAGE = """<!doctype html>
<html>
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>My static Space</title>
    <link rel="stylesheet" href="style.css">
  </head>
  <body>
    <main class="card">
      <h1>Welcome to your static Space!</h1>
      <p>Edit <code>index.html</code> to make it your own.</p>
    </main>
  </body>
</html>
"""
_STYLE = """body {
  padding: 2rem;
  font-family: system-ui, sans-serif;
}

.card {
  max-width: 620px;
  margin: 0 auto;
  padding: 16px;
  border: 1px solid lightgray;
  border-radius: 16px;
}
"""


def first_files(repo_type: str, name: str, sdk: str = "static") -> dict[str, bytes]:
    """The files of the first commit, by path; `sdk` counts for spaces only and is one of SDKS."""
    files = {".gitattributes": initial_gitattributes(repo_type)}
    if repo_type != "space":
        return files
    files["README.md"] = _space_card(name, sdk).encode()
    if sdk == "static":
        files |= {"index.html": _PAGE.encode(), "style.css": _STYLE.encode()}
    return files


def _space_card(name: str, sdk: str) -> str:
    words = name.replace("-", " ").replace("_", " ").split()
    # As JSON the title is a string in YAML too, whatever the name looks like (`1e5`, `no`).
    title = json.dumps(" ".join(word[:1].upper() + word[1:] for word in words) or name)
    lines = [f"title: {title}", "emoji: 🚀", "colorFrom: blue", "colorTo: indigo", f"sdk: {sdk}"]
    if app_file := _APP_FILES.get(sdk):
        lines.append(f"app_file: {app_file}")
    return "---\n" + "\n".join([*lines, "pinned: false"]) + "\n---\n"
