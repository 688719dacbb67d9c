"""What people write about the demo's model: a recipe to share, a tutorial in two languages, a discussion.

Published like the rest of the demo through the hub's own doors. Recipes and tutorials are repos of types that
the stock client has no word for, so they go by plain HTTP; safe to run again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from training.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

RECIPE, TUTORIAL, TUTORIAL_ZH = "quick-digits", "ten-minutes-to-a-model", "shi-fen-zhong-wei-tiao"
QUESTION = "Which image size is enough for handwritten digits?"

_RECIPE_CARD = """# Digits in seconds

Keeps MobileNetV2 as it is and lets only a new last layer learn. Each picture is looked at once, its
features are kept, and the layer learns from those: on a laptop's processor the whole run takes seconds.

Use it as a **first look**: when it already separates your classes, a full fine-tune will too, and
better. When it does not, the pictures are unlike photographs, and everything has to learn.
"""

_TUTORIAL = """## What you need

Some pictures in folders, one folder a class. A few hundred are enough to see whether it works.

## First look: only the head learns

Begin with [{recipe}](/recipes/{recipe}): the pretrained network stays as it is, and a new last layer
learns from what it sees. With features $\\phi(x)$ that do not change, what is learned is only

$$p(y \\mid x) = \\operatorname{{softmax}}(W \\phi(x) + b)$$

so every picture goes through the network once, and not once an epoch.

## Then everything

[{base}](/{base}) saw photographs, and digits are none. Letting every weight adapt pays here; this is
that run, as it went:

{{{{ run {run} }}}}

The blue line is the loss on what it learns from, the green one on rows held back. As long as both fall,
it learns what is general; when the second turns up while the first still falls, it begins to learn your
rows by heart.

## Can you trust the number?

The hub measured it on rows that no run learns from, and says how sure it is: the interval is where the
true value lies in 95 of 100 such measurements. Where two intervals overlap much, the order on the board
may be chance.

{{{{ board {data} }}}}

The model trained from random weights, with the same budget, is there as well: the distance between the
two is what pretraining is worth.
"""

_TUTORIAL_ZH = """## 需要准备什么

按类别分好文件夹的图片，每个类别一个文件夹。几百张就足以看出是否可行。

## 先快速看一眼：只学习头部

从配方 [{recipe}](/recipes/{recipe}) 开始：预训练网络保持不变，只有新的最后一层在学习。
特征 $\\phi(x)$ 不变时，要学习的只有

$$p(y \\mid x) = \\operatorname{{softmax}}(W \\phi(x) + b)$$

因此每张图片只需经过网络一次，而不是每轮一次。

## 再让整个网络学习

[{base}](/{base}) 看过的是照片，而手写数字不是照片，让所有权重一起调整会更好。这是那次运行的实际曲线：

{{{{ run {run} }}}}

蓝线是训练数据上的损失，绿线是留出数据上的损失。两条线都在下降，说明学到的是一般规律；如果前者仍在下降而后者开始
上升，就是过拟合的开始。

## 这个数字可信吗？

数值由本站在任何运行都没有学习过的数据上测得，并给出区间：一百次这样的测量中，真实值有九十五次落在区间内。
如果两个区间重叠很多，排名的先后可能只是偶然。

{{{{ board {data} }}}}

用同样的预算从随机权重训练的模型也在榜上：两者的差距就是预训练的价值。
"""


class HubDoor:
    """The few requests that the stock client has no words for."""

    def __init__(self, api: HfApi) -> None:
        from huggingface_hub.utils import build_hf_headers, get_session

        self._session = get_session()
        self._headers = build_hf_headers(token=api.token)
        self._endpoint = str(api.endpoint)

    def has(self, kind: str, repo_id: str, path: str) -> bool:
        """Whether the repo's main branch has this file."""
        address = f"{self._endpoint}/{kind}s/{repo_id}/resolve/main/{path}"
        return self._session.head(address, headers=self._headers).status_code < 300

    def publish(self, kind: str, repo_id: str, files: Mapping[str, str], message: str) -> None:
        """Make the repo unless it is there, and commit the files. UserError with the hub's own sentence."""
        owner, _, name = repo_id.partition("/")
        body = {"type": kind, "name": name, "organization": owner}
        self._send("/api/repos/create", json.dumps(body), allowed=(409,))
        lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": message}}]
        for path, text in files.items():
            content = base64.b64encode(text.encode()).decode()
            lines.append({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
        self._send(
            f"/api/{kind}s/{repo_id}/commit/main",
            "\n".join(json.dumps(line) for line in lines),
            content_type="application/x-ndjson",
        )

    def _send(
        self, path: str, body: str, *, content_type: str = "application/json", allowed: tuple[int, ...] = ()
    ) -> None:
        headers = {**self._headers, "Content-Type": content_type}
        answer = self._session.post(self._endpoint + path, content=body.encode(), headers=headers)
        if answer.status_code >= 300 and answer.status_code not in allowed:
            raise UserError("demo:refused", f"{path} was refused: {answer.text[:500]}")


def write_community(
    api: HfApi, owner: str, names: Mapping[str, str], recipe: dict[str, Any], say: Callable[[str], None]
) -> None:
    """Recipe, tutorials and discussion; `names` holds the ids `base`, `data` and `run`."""
    door = HubDoor(api)
    known = {**names, "recipe": f"{owner}/{RECIPE}"}
    if not door.has("recipe", known["recipe"], "recipe.yaml"):
        say(f"publishing recipe {known['recipe']}")
        files = {"recipe.yaml": yaml.safe_dump(recipe, sort_keys=False), "README.md": _recipe_card()}
        door.publish("recipe", known["recipe"], files, "Share the quick recipe")
    for name, title, summary, language, body in _tutorials():
        repo_id = f"{owner}/{name}"
        if not door.has("tutorial", repo_id, "README.md"):
            say(f"publishing tutorial {repo_id}")
            text = _article(title, summary, language, known) + body.format(**known)
            door.publish("tutorial", repo_id, {"README.md": text}, "Write the tutorial")
    _discuss(api, names["base"])


def _recipe_card() -> str:
    front = {"title": "Digits in seconds", "license": "cc0-1.0", "tags": ["head-only", "cpu"]}
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{_RECIPE_CARD}"


def _tutorials() -> list[tuple[str, str, str, str, str]]:
    return [
        (
            TUTORIAL,
            "Ten minutes to a model you can trust",
            "From a pretrained network to your own classes, and what the number is worth.",
            "en",
            _TUTORIAL,
        ),
        (
            TUTORIAL_ZH,
            "十分钟得到一个可信的模型",
            "从预训练网络到您自己的类别：先快速看一眼，再完整微调，最后看懂数字的可信度。",
            "zh",
            _TUTORIAL_ZH,
        ),
    ]


def _article(title: str, summary: str, language: str, known: Mapping[str, str]) -> str:
    front = {
        "title": title,
        "summary": summary,
        "language": language,
        "license": "cc-by-4.0",
        "tags": ["beginner", "images"],
        "models": [known["base"]],
        "datasets": [known["data"]],
        "recipes": [known["recipe"]],
        "runs": [known["run"]],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n"


def _discuss(api: HfApi, repo_id: str) -> None:
    if any(thread.title == QUESTION for thread in api.get_repo_discussions(repo_id)):
        return
    text = "The base was trained at 224 pixels. Digits have 28. Does it pay to scale them up that far?"
    thread = api.create_discussion(repo_id, title=QUESTION, description=text)
    answer = (
        "64 is enough here. Cost grows with the area, so 224 takes about **12 times** as long:\n\n"
        "| edge | relative cost |\n| --- | --- |\n| 64 | 1 |\n| 112 | 3 |\n| 224 | 12 |\n\n"
        "```yaml\ndataset:\n  image_size: 64\n```\n"
    )
    api.comment_discussion(repo_id, thread.num, answer)
