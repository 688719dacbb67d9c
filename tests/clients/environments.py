"""Which clients are run, in which versions, and with what in their environment.

`hub_client` is the Python client; the oldest majors are still in people's requirements. Without Xet means
that the package is there and switched off, as its users do it (`HF_HUB_DISABLE_XET=1`), since 1.x depends on
it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WITHOUT_XET = {"HF_HUB_DISABLE_XET": "1"}
NEWEST = "huggingface_hub==2.4.0"
LAST_1 = "huggingface_hub==1.33.0"
LAST_0 = "huggingface_hub==0.36.2"
XET = "hf-xet==1.8.0"
FILES = ("pandas==3.1.1", "duckdb==2.0.0", "pyarrow==26.0.1", "fsspec==2026.9.0")
TORCH = ("torch==2.14.1", "torchvision==0.29.1")


@dataclass(frozen=True)
class Environment:
    """One row group of the table: packages for a virtual environment, the script and what it is called
    with."""

    name: str
    scenario: str
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    # npm packages of the JavaScript client
    npm: tuple[str, ...] = ()
    # whether its large files must go and come by Xet, or must not; None: not looked at
    by_xet: bool | None = None


ENVIRONMENTS = [
    Environment("huggingface_hub 2.4.0", "hub_client", (NEWEST,), by_xet=True),
    Environment("huggingface_hub 2.4.0, without Xet", "hub_client", (NEWEST,), WITHOUT_XET, by_xet=False),
    Environment("huggingface_hub 1.33.0", "hub_client", (LAST_1,), by_xet=True),
    Environment("huggingface_hub 1.33.0, without Xet", "hub_client", (LAST_1,), WITHOUT_XET, by_xet=False),
    Environment("huggingface_hub 0.36.2", "hub_client", (LAST_0, XET), by_xet=True),
    Environment("huggingface_hub 0.36.2, without Xet", "hub_client", (LAST_0,), WITHOUT_XET, by_xet=False),
    Environment("hf CLI 2.4.0", "cli", (NEWEST,)),
    Environment("fsspec: pandas 3.1.1 and DuckDB 2.0.0", "files", (NEWEST, *FILES)),
    Environment("datasets 5.2.0", "load_dataset", ("datasets==5.2.0", NEWEST)),
    Environment("transformers 5.23.0", "transformers_models", ("transformers==5.23.0", *TORCH)),
    Environment("timm 1.0.31", "timm_models", ("timm==1.0.31", *TORCH)),
    Environment("peft 0.21.2", "peft_adapters", ("peft==0.21.2", "transformers==5.23.0", *TORCH)),
    Environment("git and git-lfs", "git_lfs"),
    Environment("huggingface.js 2.17.5", "javascript", npm=("@huggingface/hub@2.17.5",)),
    Environment("curl", "curl_ranges"),
]
