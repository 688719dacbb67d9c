"""How a published detector is loaded with torchvision alone, in Python for the card."""

from __future__ import annotations

from typing import Any

from training.detection.nets import SCORE_THRESHOLD, strides_of
from training.detection.spec import FcosSpec
from training.detection.trunks import Tap, build_trunk, trunk_code
from training.detection.yolos import is_yolos

BUILD = {"timm": "timm.create_model", "torchvision": "torchvision.models.get_model"}
YOLOS = """from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection

processor = AutoImageProcessor.from_pretrained("{repo}")
net = AutoModelForObjectDetection.from_pretrained("{repo}")
photo = Image.open("photo.png").convert("RGB")
found = net(**processor(photo, return_tensors="pt"))
sizes = [photo.size[::-1]]
(objects,) = processor.post_process_object_detection(found, threshold=0.5, target_sizes=sizes)"""


def usage_of(repo: str, config: dict[str, Any]) -> str:
    """Python that gives `net`, which takes a list of pictures of any size, and `labels` by index."""
    if is_yolos(config):
        return YOLOS.format(repo=repo)
    fcos = config.get("fcos")
    library = str(config.get("library_name", "torchvision"))
    lines = [
        "import json, torch, torchvision" + (", timm" if library == "timm" else ""),
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
        "",
        f'repo = "{repo}"',
        'config = json.load(open(hf_hub_download(repo, "config.json")))',
        *(_fcos_lines(library, config) if fcos else _named_lines()),
        'net.transform.fixed_size = (config["image_size"],) * 2',
        'net.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))',
        "net.eval()",
        "",
        "# Pixels from 0 to 1; large pictures are best resized to image_size beforehand, with antialiasing.",
        "(found,) = net([torch.rand(3, 480, 640)])",
        'labels = [config["label_names"][label] for label in found["labels"]]',
    ]
    return "\n".join(lines)


def _named_lines() -> list[str]:
    return [
        'net = torchvision.models.get_model(config["architecture"], weights=None, weights_backbone=None,',
        '                                   num_classes=config["num_classes"])',
    ]


def _fcos_lines(library: str, config: dict[str, Any]) -> list[str]:
    plain = config["fcos"]
    spec = FcosSpec(plain["width"], plain["depth"], tuple(Tap(**tap) for tap in plain["taps"]))
    _, children = build_trunk(library, config["architecture"])
    strides, width = strides_of(spec), spec.width
    layers = {tap.child: str(index) for index, tap in enumerate(spec.taps)}
    return [
        "from torchvision.models.detection import FCOS, anchor_utils, backbone_utils, fcos",
        f'net = {BUILD[library]}(config["architecture"])',
        f"body = {trunk_code(children)}",
        f"layers, channels = {layers}, {[tap.channels for tap in spec.taps]}",
        f"backbone = backbone_utils.BackboneWithFPN(body, layers, channels, {width})",
        f"sizes = {tuple((side,) for side in strides)}",
        "anchors = anchor_utils.AnchorGenerator(sizes, ((1.0,),) * len(sizes))",
        f'head = fcos.FCOSHead({width}, 1, config["num_classes"], {spec.depth})',
        'net = FCOS(backbone, config["num_classes"], anchor_generator=anchors, head=head,',
        f'           image_mean=config["mean"], image_std=config["std"], score_thresh={SCORE_THRESHOLD})',
    ]
