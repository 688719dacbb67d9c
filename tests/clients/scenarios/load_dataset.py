"""`datasets`: load, stream, push."""

from __future__ import annotations

import itertools
import sys

from datasets import Dataset, load_dataset
from huggingface_hub import HfApi
from rows import ENDPOINT, TOKEN, new_id, row, run_rows

api = HfApi(endpoint=ENDPOINT, token=TOKEN)
repo_id = new_id()


@row("push_to_hub")
def push() -> None:
    table = Dataset.from_dict({"text": [f"row {number}" for number in range(2000)], "label": [0, 1] * 1000})
    table.push_to_hub(repo_id, token=TOKEN)
    assert "data/train-00000-of-00001.parquet" in api.list_repo_files(repo_id, repo_type="dataset")


@row("load_dataset of Parquet")
def load() -> None:
    found = load_dataset(repo_id, token=TOKEN, split="train")
    assert (len(found), found[7]["text"]) == (2000, "row 7")


@row("load_dataset, streaming")
def stream() -> None:
    found = load_dataset(repo_id, token=TOKEN, split="train", streaming=True)
    assert [item["label"] for item in itertools.islice(found, 4)] == [0, 1, 0, 1]


@row("load_dataset of CSV files by split")
def csv() -> None:
    other = new_id()
    api.create_repo(other, repo_type="dataset", private=True)
    api.upload_file(
        path_or_fileobj=b"a,b\n1,2\n3,4\n", path_in_repo="train.csv", repo_id=other, repo_type="dataset"
    )
    api.upload_file(
        path_or_fileobj=b"a,b\n5,6\n", path_in_repo="test.csv", repo_id=other, repo_type="dataset"
    )
    found = load_dataset(other, token=TOKEN)
    assert {name: len(split) for name, split in found.items()} == {"train": 2, "test": 1}


@row("a second push replaces the split")
def again() -> None:
    Dataset.from_dict({"text": ["only"], "label": [1]}).push_to_hub(repo_id, token=TOKEN)
    assert len(load_dataset(repo_id, token=TOKEN, split="train")) == 1


if __name__ == "__main__":
    sys.exit(run_rows())
