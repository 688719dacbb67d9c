"""How a published image model is loaded with the stock library of its kind, in Python for the card."""

from __future__ import annotations

from typing import Any

# What an architecture's dense layers are passed by with, by library.
BYPASS = {
    "timm": "net.pre_logits = torch.nn.Identity()",
    "torchvision": "net.avgpool = torch.nn.AdaptiveAvgPool2d(1)",
}
BUILD = {"timm": "timm.create_model", "torchvision": "torchvision.models.get_model"}


def usage_of(repo: str, config: dict[str, Any]) -> str:
    """Python that loads a published network; a head of our own is put in its place."""
    library, head = config.get("library_name", "timm"), config.get("head")
    if library == "keras":
        return _keras_lines(repo, config)
    if library == "timm" and not head:
        return f'import timm\nnet = timm.create_model("hf-hub:{repo}", pretrained=True)'
    lines = [
        f"import json, torch, {library}" if head else f"import json, {library}",
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
        "",
        f'repo = "{repo}"',
        'config = json.load(open(hf_hub_download(repo, "config.json")))',
        f'net = {BUILD[library]}(config["architecture"], num_classes=config["num_classes"])',
        *(_head_lines(head, library) if head else []),
        'net.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))',
    ]
    return "\n".join(lines)


def _keras_lines(repo: str, config: dict[str, Any]) -> str:
    side, how = config["pretrained_cfg"]["input_size"][-1], config["keras"]
    last = how["data_format"] == "channels_last"
    shape = f"[n, {side}, {side}, {how['channels']}]" if last else f"[n, {how['channels']}, {side}, {side}]"
    lines = [
        "import keras",
        "from huggingface_hub import hf_hub_download",
        "",
        f'net = keras.saving.load_model(hf_hub_download("{repo}", "model.keras"), safe_mode=True)',
        f"# images {shape}, pixels {how['pixels']} → probabilities",
        "probabilities = net(images, training=False)",
    ]
    return "\n".join(lines)


def _head_lines(head: dict[str, Any], library: str) -> list[str]:
    """How the architecture's own head becomes the one that was learned."""
    features, outputs, hidden = 'config["num_features"]', 'config["num_classes"]', head["hidden"]
    layer = f"torch.nn.Linear({features}, {outputs})"
    if hidden is not None:
        first, last = f"torch.nn.Linear({features}, {hidden})", f"torch.nn.Linear({hidden}, {outputs})"
        layer = f"torch.nn.Sequential({first}, torch.nn.ReLU(), {last})"
    bypass = [BYPASS[library]] if head["pooling"] == "average" else []
    return [*bypass, f'net.set_submodule(config["head"]["name"], {layer})']
