"""What of a text model's directory is believed: config.json, weights and tokenizer, each checked first.

Only local files, only safetensors, never code from a repository, only encoders that we know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.errors import UserError
from training.jsonfiles import read_object
from training.weights import read_header

MAX_MEBIBYTES = 4
MAX_TOKENIZER_BYTES = 256 * 1024 * 1024
MAX_LAYERS = 256
MAX_NUMBER = 10_000_000
MAX_CLASSES = 100_000
WEIGHTS = "model.safetensors"
ENCODERS = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
# What could name code, kernels or packages to fetch; none of it changes what the weights mean.
DROPPED = ("auto_map", "_attn_implementation", "attn_implementation", "_experts_implementation")
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)


def read_config(model_dir: Path) -> Any:
    """transformers' config of an encoder we know. Raises `UserError` for any other model, named."""
    plain = read_object(
        model_dir / "config.json", MAX_MEBIBYTES, lambda reason: _bad(f"{reason}."), whose="The base model"
    )
    kind = plain.get("model_type")
    if not isinstance(kind, str):
        found = plain.get("architecture") or plain.get("library_name")
        hint = f" It looks like {str(found)[:60]!r}, which is no text model." if found else ""
        raise _bad(f"it names no model_type of transformers.{hint}")
    if kind not in ENCODERS:
        text = f"The base model is a {kind[:60]!r}; text tasks take the encoders {', '.join(ENCODERS)}."
        raise UserError("model:not-an-encoder", text)
    if plain.get("is_decoder") or plain.get("is_encoder_decoder"):
        raise UserError(
            "model:not-an-encoder", "The base model is set up as a decoder; text tasks take encoders."
        )
    if plain.get("quantization_config"):
        raise _bad("quantised weights cannot be fine-tuned here.")
    _check_numbers(plain)
    from transformers import CONFIG_MAPPING

    kept = {name: value for name, value in plain.items() if name not in DROPPED}
    try:
        config = CONFIG_MAPPING[kind].from_dict(kept)
        layers, width = int(config.num_hidden_layers), int(config.hidden_size)
    except Exception as error:
        # The library raises types of its own for wrong fields.
        raise _bad(f"a field has the wrong type or value ({str(error)[:150]}).") from None
    if not 1 <= layers <= MAX_LAYERS or not 1 <= width <= 65_536:
        raise _bad(f"it must have 1 to {MAX_LAYERS} layers and a width of at most 65,536.")
    return config


def check_weights(model_dir: Path) -> None:
    """A whole, single safetensors file. Raises `UserError`, for pickled weights too."""
    path = model_dir / WEIGHTS
    if (model_dir / "adapter_config.json").exists():
        # The library would go and look for the model that the adapter names.
        text = "The base model is an adapter of another model; merge the two and publish the result."
        raise UserError("model:adapter", text)
    if not path.is_file():
        pickled = sorted(
            item.name for item in model_dir.glob("*") if item.suffix in {".bin", ".pt", ".pth", ".ckpt"}
        )
        if pickled:
            text = f"{pickled[0]} is a pickle, which can run code; publish the weights as {WEIGHTS}."
            raise UserError("model:pickle", text)
        if (model_dir / f"{WEIGHTS}.index.json").is_file():
            raise UserError(
                "model:no-weights", f"The weights lie in several files; save them as one {WEIGHTS}."
            )
    read_header(path)


def load_tokenizer(model_dir: Path, *, for_words: bool = False) -> Any:
    """A fast tokenizer from local files. `for_words` lets it take lists of words too.

    Raises `UserError` where there is none that runs without code from the repository.
    """
    files = [model_dir / name for name in TOKENIZER_FILES if (model_dir / name).is_file()]
    if not files:
        raise UserError("model:no-tokenizer", "The base model has no tokenizer.json and no vocab.txt.")
    if any(path.stat().st_size > MAX_TOKENIZER_BYTES for path in files):
        raise UserError("model:bad-tokenizer", "The base model's tokenizer is larger than 256 MiB.")
    tokenizer = _from_files(model_dir)
    if for_words and "ByteLevel" in str(getattr(tokenizer.backend_tokenizer, "pre_tokenizer", "")):
        # Byte-level vocabularies spell a word's beginning as the blank before it.
        tokenizer = _from_files(model_dir, add_prefix_space=True)
    if tokenizer.pad_token_id is None:
        raise UserError("model:bad-tokenizer", "The base model's tokenizer has no padding token.")
    return tokenizer


def _from_files(model_dir: Path, **options: Any) -> Any:
    from transformers import AutoTokenizer

    fixed = {"use_fast": True, "trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(model_dir), **fixed, **options)
    except Exception as error:
        # Broken files surface as anything from KeyError to the Rust library's own Exception.
        text = f"The base model's tokenizer cannot be loaded: {str(error)[:150]}"
        raise UserError("model:bad-tokenizer", text) from None
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            "model:bad-tokenizer", "The base model's tokenizer has no fast form (tokenizer.json)."
        )
    return tokenizer


def longest_input(config: Any, tokenizer: Any) -> int:
    """Tokens, the special ones included, that both net and tokenizer take at once."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 512)
    if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
        # Their positions are counted from behind the padding index.
        positions -= int(config.pad_token_id or 0) + 1
    # "No limit" is written as a number of thirty digits.
    return max(1, min(positions, int(min(tokenizer.model_max_length, 10**9))))


def _check_numbers(plain: dict[str, Any]) -> None:
    """Sizes beyond any real encoder would be allocated before the weights are seen to be smaller."""
    for name, value in plain.items():
        limit = MAX_CLASSES if name in ("num_labels", "_num_labels") else MAX_NUMBER
        if isinstance(value, int) and abs(value) > limit:
            raise _bad(f"{name[:60]} is beyond {limit:,}.")


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The base model's config.json cannot be used: {reason}")
