"""How a published net for maps is loaded with the stock library of its kind, in Python for the card."""

from __future__ import annotations

from typing import Any

from training.segmentation.decoders import DECODERS

BODIES = {"torchvision": "torchvision.models.get_model", "timm": "timm.create_model"}
IMPORTS = {
    "lraspp": "from torchvision.models.segmentation import LRASPP",
    "deeplabv3": "from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3",
    "fcn": "from torchvision.models.segmentation.fcn import FCN, FCNHead",
}
NETS = {
    "lraspp": 'LRASPP(backbone, *how["channels"], classes)',
    "deeplabv3": 'DeepLabV3(backbone, DeepLabHead(how["channels"][0], classes), None)',
    "fcn": 'FCN(backbone, FCNHead(how["channels"][0], classes), None)',
}
END = """net.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))
# images [n, 3, {side}, {side}], normalised → [n, classes, {side}, {side}]
logits = net.eval()(images)["out"]"""


def usage_of(repo: str, config: dict[str, Any]) -> str:
    """Python that loads the published directory; `images` are prepared as preprocessor_config.json says."""
    if "model_type" in config:
        return _transformers(repo)
    side = config["pretrained_cfg"]["input_size"][-1]
    composite = config["architecture"] in DECODERS
    start = [
        f"import json, {config['backbone']['library']}" if composite else "import json, torchvision",
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
    ]
    read = [
        "",
        f'repo = "{repo}"',
        'config = json.load(open(hf_hub_download(repo, "config.json")))',
    ]
    if composite:
        build, more = _composite(config)
        return "\n".join([*start, *more, *read, *build, END.format(side=side)])
    build = [
        'net = torchvision.models.get_model(config["architecture"], weights=None, weights_backbone=None,',
        '                                   num_classes=config["num_classes"])',
    ]
    return "\n".join([*start, *read, *build, END.format(side=side)])


def _composite(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Lines that put torchvision's decoder on an image net, and their imports."""
    how, decoder = config["backbone"], config["architecture"]
    imports = ["from torchvision.models._utils import IntermediateLayerGetter", IMPORTS[decoder]]
    first = next(iter(how["maps"]))
    body = [f'net = {BODIES[how["library"]]}(how["architecture"])']
    if not first.startswith("layer"):
        if how["library"] == "timm":
            imports.append("from collections import OrderedDict\nfrom torch.nn import Sequential")
            body.append('blocks = [(f"block{i}", one) for i, one in enumerate(net.blocks)]')
            body.append(
                'net = Sequential(OrderedDict([("conv_stem", net.conv_stem), ("bn1", net.bn1), *blocks]))'
            )
        else:
            body.append("net = net.features")
    lines = [
        'how, classes = config["backbone"], config["num_classes"]',
        *body,
        'backbone = IntermediateLayerGetter(net, how["maps"])',
        'for name, (rate, padding) in how["dilated"].items():  # maps at a sixteenth of the side, not less',
        "    conv = backbone.get_submodule(name)",
        "    conv.stride, conv.dilation, conv.padding = (1, 1), (rate, rate), (padding, padding)",
        f"net = {NETS[decoder]}",
    ]
    return lines, imports


def _transformers(repo: str) -> str:
    return f"""from PIL import Image
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

processor = AutoImageProcessor.from_pretrained("{repo}")
net = AutoModelForSemanticSegmentation.from_pretrained("{repo}")
photo = Image.open("photo.png").convert("RGB")
found = net(**processor(photo, return_tensors="pt"))
(mask,) = processor.post_process_semantic_segmentation(found, target_sizes=[photo.size[::-1]])"""
