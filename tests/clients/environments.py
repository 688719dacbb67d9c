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


ENVIRONMENTS = [
    Environment("huggingface_hub 2.4.0", "hub_client", (NEWEST,)),
    Environment("huggingface_hub 2.4.0, without Xet", "hub_client", (NEWEST,), WITHOUT_XET),
    Environment("huggingface_hub 1.33.0", "hub_client", (LAST_1,)),
    Environment("huggingface_hub 1.33.0, without Xet", "hub_client", (LAST_1,), WITHOUT_XET),
    Environment("huggingface_hub 0.36.2", "hub_client", (LAST_0, "hf-xet")),
    Environment("huggingface_hub 0.36.2, without Xet", "hub_client", (LAST_0,), WITHOUT_XET),
    Environment("hf CLI 2.4.0", "cli", (NEWEST,)),
    Environment("fsspec: pandas and DuckDB", "files", (NEWEST, "pandas", "duckdb", "pyarrow", "fsspec")),
    Environment("datasets 5.2.0", "load_dataset", ("datasets==5.2.0", NEWEST)),
    Environment("transformers 5.23.0", "transformers_models", ("transformers==5.23.0", *TORCH)),
    Environment("timm 1.0.31", "timm_models", ("timm==1.0.31", *TORCH)),
    Environment("peft 0.21.2", "peft_adapters", ("peft==0.21.2", "transformers==5.23.0", *TORCH)),
    Environment("git and git-lfs", "git_lfs"),
    Environment("huggingface.js", "javascript", npm=("@huggingface/hub",)),
    Environment("curl", "curl_ranges"),
]
