"""The description with words in it that lead somewhere: names, hashes and paths of what is there."""

from __future__ import annotations

import copy
import re
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.hidden import Hidden
from tests.fuzz.kept import Kept
from tests.fuzz.world import SHA256

_CLIMBS = ["../../outside.txt", "..", "../x", "sub/../../outside.txt", "%2e%2e/outside.txt", "/etc/hostname"]
_REPOS = ["alice/net", "alice/data", "bob/vault", "bob/gated", "team/x", "carol/new", "../x", "alice/b"]
_REVISIONS = ["main", "v1", "refs/pr/1", "refs/heads/main", "HEAD", "0" * 40, "dev", "a/b", "../main"]
_PEOPLE = ["alice", "bob", "carol", "team", "me"]


def _known(hidden: Hidden) -> dict[str, list[Any]]:
    """By the name of a parameter or field."""
    revisions = [*_REVISIONS, *hidden.oids]
    paths = ["README.md", "w.bin", "sub/a.txt", "sub", ".gitattributes", *_CLIMBS]
    hashes = [SHA256, "0" * 64, *hidden.hashes]
    named = ["net", "data", "vault", "gated", "b", "team", "alice", "bob", *hidden.hashes]
    return {
        "namespace": _PEOPLE,
        "organization": _PEOPLE,
        "user": _PEOPLE,
        "username": _PEOPLE,
        "author": _PEOPLE,
        "name": [*named, *_REPOS, "main"],
        **_each("revision branch name_or_revision ref startingPoint tag", revisions),
        "parentCommit": hidden.oids,
        "compare": ["main..main", "v1...main", f"{hidden.oids[0]}..main", "main...refs/pr/1"],
        **_each("path prefix index paths", [*paths, "default"]),
        **_each("oid sha256 xetHash sha", hashes),
        **dict.fromkeys(
            (
                "fromRepo",
                "toRepo",
                "repository",
                "sourceRepoId",
                "id",
                "item",
                "target",
                "models",
                "datasets",
            ),
            _REPOS,
        ),
        "slug": [*hidden.keys, "vault-0123456789abcdef01234567"],
        **_each("key event requestId job_id uuid", hidden.keys),
        "search": ["canary", "vault", "net", "bob"],
        "q": ["canary", "vault", "net", "bob"],
        "generation": [0, 1],
        "num": [1, 2],
        "size": [7, 0],
        "encoding": ["utf-8"],
        "content": ["text", "---\nlicense: mit\n---\n"],
    }


def _each(names: str, words: list[Any]) -> dict[str, list[Any]]:
    return dict.fromkeys(names.split(), words)


# What is where, for paths that name both; by the word for its kind.
_MINE = {"datasets": "data", "buckets": "b", "kernels": "new"}
_KINDS = ["models", "models", "datasets", "spaces", "kernels"]
_ODD = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(["..", ".", "\0", "a\nb", "é", "\u202e", "x" * 300, "%", "%2e%2e", "'", "a/b", "../x"]),
)


@st.composite
def paths(draw: st.DrawFn, template: str, kept: Kept, hidden: Hidden) -> str:
    """The encoded path of an operation, mostly of something there: alice's, or bob's behind his gate."""
    right, known = kept.words(), _known(hidden)
    named = re.search(r"\b(datasets|spaces|kernels|buckets)/", template)
    kind = named[1] if named else draw(st.sampled_from(_KINDS))
    mine = ("alice", _MINE.get(kind, "net"))
    by_hash = template.startswith(("/cas/", "/lfs/"))
    others = [("bob", "vault"), ("bob", "gated"), ("me", "x")]
    namespace, name = draw(st.sampled_from([mine] * 6 + others))
    if "{namespace}" not in template:
        right["name"] = _names(template, kept)
        known["name"] = hidden.hashes if by_hash else _PEOPLE
    else:
        right["name"] = [name]
    right |= {"kind": [kind], "namespace": [namespace]}

    def filled(found: re.Match[str]) -> str:
        key = found[1]
        odds = draw(st.integers(0, 11))
        words = right.get(key) if odds < (6 if by_hash else 9) else known.get(key)
        word = str(draw(_ODD if odds == 11 else st.sampled_from(words or known.get(key) or ["read", "1"])))
        whole = key in ("path", "prefix", "index") and draw(st.booleans())
        return quote(word.encode("utf-8", "surrogatepass"), safe="/" if whole else "")

    return re.sub(r"\{(\w+)\}", filled, template)


def _names(template: str, kept: Kept) -> list[Any]:
    """What `name` is where no namespace stands before it."""
    if template.startswith("/cas/"):
        return [kept.xorb if "/xorbs/" in template else kept.xet_hash]
    return ["team"] if "/organizations/" in template else ["alice", "bob", "carol"]


def seeded(document: dict[str, Any], kept: Kept, hidden: Hidden) -> dict[str, Any]:
    """A copy in which every parameter and field of a known name takes known words and no others."""
    made = copy.deepcopy(document)
    right, others = kept.words(), _known(hidden)
    # Alternatives to any text at all would be lost: a fuzzer simplifies what it reads.
    known = {
        name: list(dict.fromkeys([*right.get(name, ()), *others.get(name, ())]))
        for name in {**right, **others}
    }
    for item in made["paths"].values():
        operations = [part for part in item.values() if isinstance(part, dict)]
        for one in [one for part in operations for one in part.get("parameters", ())]:
            one["schema"] = _with(one["schema"], known.get(one["name"]))
        for content in [content for part in operations for content in _contents(part)]:
            content["schema"] = _walked(content["schema"], known)
    return made


def _contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return list(operation.get("requestBody", {}).get("content", {}).values())


def _walked(schema: dict[str, Any], known: dict[str, list[Any]]) -> dict[str, Any]:
    if "properties" in schema:
        fields = {
            name: _with(_walked(one, known), known.get(name)) for name, one in schema["properties"].items()
        }
        return {**schema, "properties": fields}
    if "items" in schema:
        return {**schema, "items": _walked(schema["items"], known)}
    return schema


def _with(schema: dict[str, Any], words: list[Any] | None) -> dict[str, Any]:
    if words is None or schema.get("type") == "object" or "enum" in schema:
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": _with(schema["items"], words)}
    return {"enum": words}
