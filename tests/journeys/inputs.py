"""The tiny network and the small data set that runs of the stories learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.live import LiveHub

EVAL = "name: Shades\ntasks:\n- {id: shades, split: test, metric: accuracy}\n"


def write_shades(folder: Path) -> None:
    """Two classes of noisy 32 px images, dark and light: 40 to learn from, 12 held out."""
    generator = np.random.default_rng(0)
    for split, each in (("train", 20), ("test", 6)):
        for name, level in (("dark", 60), ("light", 190)):
            (folder / split / name).mkdir(parents=True)
            for index in range(each):
                pixels = np.clip(generator.normal(level, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    (folder / "eval.yaml").write_text(EVAL)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Shades\n")


def write_tiny(folder: Path) -> None:
    """A network of timm's own test size (0.4 million parameters) with seeded random weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    from training.spec import ModelSpec, write_spec

    torch.manual_seed(0)
    net = timm.create_model("test_efficientnet", num_classes=2)
    save_file(net.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    spec = ModelSpec("test_efficientnet", "timm", 2, ("a", "b"), image_size=32)
    write_spec(folder, spec, num_features=net.num_features)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")


def publish_inputs(hub: LiveHub, folder: Path) -> None:
    """alice/tiny and alice/shades, by the stock client; their files are left in `folder`."""
    for name, repo_type, write in (("tiny", "model", write_tiny), ("shades", "dataset", write_shades)):
        (folder / name).mkdir()
        write(folder / name)
        api = hub.api()
        api.create_repo(f"alice/{name}", repo_type=repo_type)
        api.upload_folder(repo_id=f"alice/{name}", folder_path=folder / name, repo_type=repo_type)
