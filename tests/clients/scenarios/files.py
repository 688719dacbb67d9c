"""`hf://` through fsspec, as pandas and DuckDB read it."""

from __future__ import annotations

import io
import sys

import duckdb
import pandas
from huggingface_hub import HfApi, HfFileSystem
from rows import ENDPOINT, TOKEN, new_id, row, run_rows

api = HfApi(endpoint=ENDPOINT, token=TOKEN)
files = HfFileSystem(endpoint=ENDPOINT, token=TOKEN)
frame = pandas.DataFrame({"city": ["Ulm", "Bonn", "Hof"] * 20_000, "rent": range(60_000)})
repo_id = new_id()


@row("pandas writes Parquet to hf:// and reads it back")
def parquet() -> None:
    api.create_repo(repo_id, repo_type="dataset")
    content = io.BytesIO()
    frame.to_parquet(content)
    with files.open(f"datasets/{repo_id}/data/rents.parquet", "wb") as file:
        file.write(content.getvalue())
    url = f"hf://datasets/{repo_id}/data/rents.parquet"
    options = {"endpoint": ENDPOINT, "token": TOKEN}
    assert pandas.read_parquet(url, storage_options=options).equals(frame)
    columns = pandas.read_parquet(url, columns=["rent"], storage_options=options)
    assert list(columns.columns) == ["rent"]


@row("pandas reads CSV")
def csv() -> None:
    with files.open(f"datasets/{repo_id}/rents.csv", "w") as file:
        frame.head(50).to_csv(file, index=False)
    found = pandas.read_csv(
        f"hf://datasets/{repo_id}/rents.csv", storage_options={"endpoint": ENDPOINT, "token": TOKEN}
    )
    assert found.equals(frame.head(50))


@row("DuckDB over fsspec, with ranges")
def duck() -> None:
    connection = duckdb.connect()
    connection.register_filesystem(files)
    url = f"hf://datasets/{repo_id}/data/rents.parquet"
    total = connection.execute("select sum(rent) from read_parquet(?)", [url]).fetchone()
    assert total == (frame.rent.sum(),)


@row("glob, find, copy and remove")
def tree() -> None:
    assert files.glob(f"datasets/{repo_id}/**/*.parquet") == [f"datasets/{repo_id}/data/rents.parquet"]
    files.cp_file(f"datasets/{repo_id}/data/rents.parquet", f"datasets/{repo_id}/data/copy.parquet")
    assert files.info(f"datasets/{repo_id}/data/copy.parquet")["size"] > 1000
    files.rm(f"datasets/{repo_id}/data/copy.parquet")
    assert not files.exists(f"datasets/{repo_id}/data/copy.parquet")


if __name__ == "__main__":
    sys.exit(run_rows())
