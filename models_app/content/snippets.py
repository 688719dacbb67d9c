"""How a repo is used from each library that fits it: plain text to copy, complete as it stands.

Every snippet names the hub itself: the clients would ask the public one otherwise. Where a login is needed it
says so by the name of a token, never by the token.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

# What loads a model of each pipeline tag, and what prepares its inputs.
_TEXT, _IMAGE, _SOUND, _BOTH = "AutoTokenizer", "AutoImageProcessor", "AutoFeatureExtractor", "AutoProcessor"
_LOADERS = {
    "text-generation": ("AutoModelForCausalLM", _TEXT),
    "text2text-generation": ("AutoModelForSeq2SeqLM", _TEXT),
    "translation": ("AutoModelForSeq2SeqLM", _TEXT),
    "summarization": ("AutoModelForSeq2SeqLM", _TEXT),
    "fill-mask": ("AutoModelForMaskedLM", _TEXT),
    "text-classification": ("AutoModelForSequenceClassification", _TEXT),
    "zero-shot-classification": ("AutoModelForSequenceClassification", _TEXT),
    "token-classification": ("AutoModelForTokenClassification", _TEXT),
    "question-answering": ("AutoModelForQuestionAnswering", _TEXT),
    "feature-extraction": ("AutoModel", _TEXT),
    "sentence-similarity": ("AutoModel", _TEXT),
    "image-classification": ("AutoModelForImageClassification", _IMAGE),
    "image-feature-extraction": ("AutoModel", _IMAGE),
    "object-detection": ("AutoModelForObjectDetection", _IMAGE),
    "image-segmentation": ("AutoModelForImageSegmentation", _IMAGE),
    "depth-estimation": ("AutoModelForDepthEstimation", _IMAGE),
    "audio-classification": ("AutoModelForAudioClassification", _SOUND),
    "automatic-speech-recognition": ("AutoModelForSpeechSeq2Seq", _BOTH),
    "image-text-to-text": ("AutoModelForImageTextToText", _BOTH),
}


@dataclass(frozen=True)
class Subject:
    """The repo as far as snippets depend on it. `token` is the name of a token of the reader's where the repo
    needs one, `needs_login` that it does."""

    repo_type: str
    repo_id: str
    address: str
    endpoint: str
    branch: str = "main"
    library: str = ""
    pipeline_tag: str = ""
    has_config: bool = False
    has_card: bool = False
    base: str = ""
    needs_login: bool = False
    token: str = ""
    can_tune: bool = False


@dataclass(frozen=True)
class Snippet:
    """`key` for addresses and ids, `title` as the tool calls itself, `language` of the text."""

    key: str
    title: str
    language: str
    text: str


def snippets_for(subject: Subject) -> list[Snippet]:
    """The library that loads it first, then the ways to fetch the files, then what the hub itself does."""
    found = [*_loading(subject), _hub(subject), _cli(subject), _git(subject), _curl(subject)]
    if subject.repo_type == "model" and subject.can_tune:
        found.append(_tune(subject))
    return found


def _loading(subject: Subject) -> list[Snippet]:
    if subject.repo_type == "dataset":
        return [_python(subject, "datasets", "Datasets", _datasets(subject))]
    if subject.repo_type != "model":
        return []
    if subject.library not in _LOADING:
        return []
    title, lines = _LOADING[subject.library]
    return [_python(subject, subject.library, title, lines(subject))]


def _python(subject: Subject, key: str, title: str, lines: list[str]) -> Snippet:
    """The endpoint stands before the first import: huggingface_hub reads it when it is loaded."""
    head = ["import os", "", f'os.environ["HF_ENDPOINT"] = {_text(subject.endpoint)}']
    if subject.needs_login:
        head.append(f'os.environ["HF_TOKEN"] = "hf_…"  # {_login(subject)}')
    return Snippet(key, title, "python", "\n".join([*head, "", *lines]))


def _text(value: str) -> str:
    """A string as both Python and JSON write it."""
    return json.dumps(value, ensure_ascii=False)


def _login(subject: Subject) -> str:
    plain = " ".join("".join(c for c in subject.token if c.isprintable()).split())
    return f"your token {plain!r}" if plain else "a read token from your settings"


def _transformers(subject: Subject) -> list[str]:
    repo = _text(subject.repo_id)
    loader, before = _LOADERS.get(subject.pipeline_tag, ("AutoModel", ""))
    if not before:
        return [f"from transformers import {loader}", "", f"model = {loader}.from_pretrained({repo})"]
    name = {_TEXT: "tokenizer", _SOUND: "extractor"}.get(before, "processor")
    return [
        f"from transformers import {before}, {loader}",
        "",
        f"{name} = {before}.from_pretrained({repo})",
        f"model = {loader}.from_pretrained({repo})",
    ]


def _peft(subject: Subject) -> list[str]:
    loader = {"text-generation": "AutoPeftModelForCausalLM"}.get(subject.pipeline_tag, "AutoPeftModel")
    told = [f"# an adapter of {subject.base}, which is fetched too"] if subject.base else []
    call = f"model = {loader}.from_pretrained({_text(subject.repo_id)})"
    return [f"from peft import {loader}", "", *told, call]


def _timm(subject: Subject) -> list[str]:
    name = _text(f"hf-hub:{subject.repo_id}")
    return [
        "import timm",
        "",
        f"model = timm.create_model({name}, pretrained=True).eval()",
        "data = timm.data.resolve_model_data_config(model)",
        "transform = timm.data.create_transform(**data, is_training=False)",
    ]


def _torchvision(subject: Subject) -> list[str]:
    return [
        "import json",
        "",
        "import torchvision",
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
        "",
        f"repo = {_text(subject.repo_id)}",
        'config = json.load(open(hf_hub_download(repo, "config.json")))',
        'model = torchvision.models.get_model(config["architecture"], num_classes=config["num_classes"])',
        'model.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))',
    ]


def _keras(subject: Subject) -> list[str]:
    return [
        "import keras",
        "from huggingface_hub import hf_hub_download",
        "",
        f'path = hf_hub_download({_text(subject.repo_id)}, "model.keras")',
        "model = keras.saving.load_model(path, safe_mode=True)",
    ]


def _sentences(subject: Subject) -> list[str]:
    return [
        "from sentence_transformers import SentenceTransformer",
        "",
        f"model = SentenceTransformer({_text(subject.repo_id)})",
    ]


def _diffusers(subject: Subject) -> list[str]:
    return [
        "from diffusers import DiffusionPipeline",
        "",
        f"pipeline = DiffusionPipeline.from_pretrained({_text(subject.repo_id)})",
    ]


def _datasets(subject: Subject) -> list[str]:
    return ["from datasets import load_dataset", "", f"data = load_dataset({_text(subject.repo_id)})"]


_LOADING: dict[str, tuple[str, Callable[[Subject], list[str]]]] = {
    "transformers": ("Transformers", _transformers),
    "timm": ("timm", _timm),
    "torchvision": ("torchvision", _torchvision),
    "peft": ("PEFT", _peft),
    "keras": ("Keras", _keras),
    "sentence-transformers": ("Sentence Transformers", _sentences),
    "diffusers": ("Diffusers", _diffusers),
}


def _hub(subject: Subject) -> Snippet:
    kind = "" if subject.repo_type == "model" else f", repo_type={_text(subject.repo_type)}"
    lines = [
        "from huggingface_hub import snapshot_download",
        "",
        f"folder = snapshot_download({_text(subject.repo_id)}{kind})",
    ]
    return _python(subject, "hub", "huggingface_hub", lines)


def _cli(subject: Subject) -> Snippet:
    kind = "" if subject.repo_type == "model" else f" --repo-type {subject.repo_type}"
    lines = [f"export HF_ENDPOINT={subject.endpoint}"]
    if subject.needs_login:
        lines.append(f"hf auth login  # {_login(subject)}")
    return Snippet("cli", "hf", "shell", "\n".join([*lines, f"hf download {subject.repo_id}{kind}"]))


def _git(subject: Subject) -> Snippet:
    lines = ["git lfs install", f"git clone {subject.endpoint}{subject.address}"]
    if subject.needs_login:
        lines.insert(1, f"# asks for your username, and as password for {_login(subject)}")
    return Snippet("git", "git", "shell", "\n".join(lines))


def _curl(subject: Subject) -> Snippet:
    file = "config.json" if subject.has_config else "README.md" if subject.has_card else ".gitattributes"
    head = ' -H "Authorization: Bearer $HF_TOKEN"' if subject.needs_login else ""
    url = shlex.quote(f"{subject.endpoint}{subject.address}/resolve/{subject.branch}/{file}")
    lines = [f"curl -L{head} -O {url}"]
    if subject.needs_login:
        lines.insert(0, f"export HF_TOKEN=hf_…  # {_login(subject)}")
    return Snippet("curl", "curl", "shell", "\n".join(lines))


def _tune(subject: Subject) -> Snippet:
    """A run of the hub's own, by its API; the data set and the target are the reader's to name."""
    recipe = {"base_model": {"repo": subject.repo_id}, "dataset": {"repo": "you/your-data"}}
    body = {"recipe": recipe, "target": f"you/{subject.repo_id.partition('/')[2]}-tuned"}
    lines = [
        f"export HF_TOKEN=hf_…  # {_write_login(subject)}",
        f"curl {subject.endpoint}/api/runs \\",
        '  -H "Authorization: Bearer $HF_TOKEN" -H "Content-Type: application/json" \\',
        f"  -d {shlex.quote(json.dumps(body, indent=2))}",
    ]
    return Snippet("tune", "Tuneyard", "shell", "\n".join(lines))


def _write_login(subject: Subject) -> str:
    return _login(subject) if subject.token else "a write token from your settings"
