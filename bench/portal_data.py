"""A hub as it may be after years: 100,000 repos, 1,000,000 things said in discussions, 1,000,000 likes.

    HUB_DATA_DIR=… [HUB_DATABASE_URL=…] python -m bench.portal_data [--repos 100000]

Seeded, so that two hubs are alike. Rows are written past the actions, which would take hours; only the
repos of `MEASURED` are made by the real verbs, with git and cards, because their own pages are asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

MEASURED = 120
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SHARES = {"model": 0.6, "dataset": 0.25, "recipe": 0.06, "tutorial": 0.03, "space": 0.04, "kernel": 0.02}
TASKS = (
    "text-generation", "text-classification", "image-classification", "token-classification", "translation",
    "summarization", "fill-mask", "object-detection", "image-segmentation", "automatic-speech-recognition",
    "feature-extraction", "sentence-similarity", "tabular-classification", "tabular-regression",
    "time-series-forecasting", "question-answering", "text-to-image", "image-text-to-text", "any-to-any",
)  # fmt: skip
LIBRARIES = ("transformers", "timm", "peft", "sentence-transformers", "keras", "sklearn", "diffusers", "onnx")
LICENCES = (
    "apache-2.0", "mit", "cc-by-4.0", "llama3.1", "gemma", "cc-by-nc-4.0", "openrail", "gpl-3.0",
    "bsd-3-clause", "cc-by-sa-4.0", "other", "",
)  # fmt: skip
LANGUAGES = ("en", "zh", "de", "fr", "es", "ja", "ko", "ru", "ar", "hi", "pt", "it", "tr", "vi", "sw", "fi")
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
_WORDS = """
    adapter aligned audio balanced base benchmark bilingual bird birds blur bridge carbon cell chart
    chat city clean clinical cloud code compact contract corpus crop dense depth digit distilled dialog
    dynamic edge embedding energy entity field finance fish flow flower forest fruit gene gentle graph
    handwriting harvest heart hybrid image index insect invoice kernel label language layer leaf legal
    light lingual litter long maize map market medical memory mini mixture model molecule music nano
    network night ocean open orbit page paper patch pixel plant poem price protein quant question radar
    rain recipe resnet review river road robust satellite scene search sensor sentence shallow signal
    sketch small soil sound sparse speech street survey table tagger tensor token tower traffic
    translate tree tuned tumor vision voice water weather wheat wide wind word zebra
"""
WORDS = _WORDS.split()
CHINESE = (
    "手写数字识别",
    "中文情感分析",
    "作物病害",
    "语音合成",
    "数据清洗",
    "微调教程",
    "时间序列预测",
    "医学影像",
)


def main() -> None:
    """Fill the hub of HUB_DATA_DIR, which must be empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repos", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--likes", type=int, default=1_000_000)
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    Filling(asked.repos, asked.events, asked.likes).run()


class Writer:
    """Rows straight into a table: whatever a row does not say has the model's default."""

    def __init__(self, model: Any, *names: str) -> None:
        from django.db import connection

        self.connection, self.model = connection, model
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, model._meta.db_table)
        there = {column.name for column in columns}
        fields = [field for field in model._meta.concrete_fields if field.column in there]
        fields = [field for field in fields if not field.primary_key]
        self.given = [model._meta.get_field(name) for name in names]
        self.rest = [field for field in fields if field not in self.given]
        self.fixed = [self.plain(field, field.get_default()) for field in self.rest]
        self.random = [n for n, field in enumerate(self.rest) if field.name in ("uuid", "key")]

    def plain(self, field: Any, value: Any) -> Any:
        """As the database's own driver takes it."""
        if isinstance(value, datetime):
            text = value.replace(tzinfo=None).isoformat(" ", "microseconds")
            return text if self.connection.vendor == "sqlite" else f"{text}+00:00"
        if isinstance(value, dict | list):
            return json.dumps(value)
        return value.hex if isinstance(value, uuid.UUID) else value

    def write(self, rows: Iterable[Sequence[Any]]) -> int:
        """Insert (primary key, given values…) for each row; how many they were."""
        fields = [self.model._meta.pk, *self.given, *self.rest]
        return insert(
            self.model._meta.db_table, [field.column for field in fields], (self.row(row) for row in rows)
        )

    def row(self, row: Sequence[Any]) -> list[Any]:
        rest = list(self.fixed)
        for place in self.random:
            rest[place] = uuid.uuid4().hex
        given = [self.plain(field, value) for field, value in zip(self.given, row[1:], strict=True)]
        return [row[0], *given, *rest]


def insert(table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
    """One transaction of executemany on SQLite, one COPY on PostgreSQL."""
    from django.db import connection, transaction

    count = 0

    def counted() -> Iterator[Sequence[Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    names = ", ".join(f'"{name}"' for name in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            marks = ", ".join(["?"] * len(columns))
            cursor.cursor.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", counted())  # noqa: S608
        else:
            with cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in counted():
                    copy.write_row(row)
    return count


class Filling:
    """The steps in their order; each prints what it wrote and how long it took."""

    def __init__(self, repos: int, events: int, likes: int) -> None:
        self.repos, self.events, self.likes = repos, events, likes
        self.users = max(1000, repos // 50)
        self.random = random.Random(7)

    def run(self) -> None:
        """Everything."""
        steps = (
            self.people, self.measured, self.repo_rows, self.cards, self.tags, self.search, self.boards,
            self.like_rows, self.threads, self.comments, self.log, self.settle,
        )  # fmt: skip
        for step in steps:
            begun = time.monotonic()
            wrote = step()
            print(f"{step.__name__}: {wrote:,} rows in {time.monotonic() - begun:.1f} s", flush=True)

    def words(self, count: int) -> str:
        return " ".join(self.random.choices(WORDS, k=count))

    def moment(self, days: int = 1000) -> datetime:
        return NOW - timedelta(seconds=self.random.randrange(days * 86400))

    def people(self) -> int:
        from accounts.models import Namespace, User

        self.first_user = (User.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        top = (Namespace.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        self.first_namespace = top
        names = [f"{self.random.choice(WORDS)}-{self.random.choice(WORDS)}-{n}" for n in range(self.users)]
        self.names = names
        Writer(User, "username", "password", "email").write(
            (self.first_user + n, name, "!", f"{name}@example.org") for n, name in enumerate(names)
        )
        return self.users + Writer(Namespace, "name", "user").write(
            (top + n, name, self.first_user + n) for n, name in enumerate(names)
        )

    def measured(self) -> int:
        """Models with git and a card, by the real verbs: their pages are asked for."""
        from accounts.actor import Actor
        from accounts.models import User
        from models_app.actions.commits import commit
        from models_app.actions.repos import create_repo
        from models_app.storage.operations import AddFile

        for n in range(MEASURED):
            actor = Actor(User.objects.get(pk=self.first_user + n % 40))
            repo = create_repo(actor, repo_type="model", namespace=None, name=f"measured-{n}", private=False)
            head = f"license: {LICENCES[n % 5]}\npipeline_tag: {TASKS[n % 9]}\nlibrary_name: transformers\n"
            text = "\n\n".join(f"## {self.words(3)}\n\n{self.words(60)}" for _ in range(8))
            files = {
                "README.md": f"---\n{head}---\n# Measured {n}\n\n{text}\n",
                "config.json": '{"model_type": "bert"}',
            }
            operations = [AddFile(path, content.encode()) for path, content in files.items()]
            commit(actor, repo=repo, branch="main", operations=operations, summary="Publish")
        return MEASURED

    def repo_rows(self) -> int:
        from models_app.models import Repo

        last = Repo.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        types = self.random.choices(list(SHARES), list(SHARES.values()), k=self.repos)
        # (pk, type, name, namespace, private, words of the card)
        self.rows = [
            (last + 1 + n, kind, f"{'-'.join(self.random.choices(WORDS, k=3))}-{n}", n % self.users,
             self.random.random() < 0.03)
            for n, kind in enumerate(types)
        ]  # fmt: skip
        writer = Writer(
            Repo, "uuid", "repo_type", "namespace", "name", "private", "gated", "last_modified", "created_at",
            "likes_count", "downloads_30d", "trending_score",
        )  # fmt: skip

        def rows() -> Iterator[Sequence[Any]]:
            for pk, kind, name, who, private in self.rows:
                made = self.moment()
                yield (
                    pk, uuid.UUID(int=self.random.getrandbits(128)), kind, self.first_namespace + who, name,
                    private, self.random.choices(("false", "auto", "manual"), (94, 4, 2))[0],
                    made + (NOW - made) * self.random.random(), made,
                    int(self.random.paretovariate(1)) % 5000,
                    int(self.random.paretovariate(0.7)) % 10**6,
                    round(self.random.random() * 12, 3) if self.random.random() < 0.1 else 0.0,
                )  # fmt: skip

        return writer.write(rows())

    def cards(self) -> int:
        from models_app.models import RepoCard

        writer = Writer(
            RepoCard, "repo", "oid", "pipeline_tag", "library_name", "license", "parameters", "weights_bytes",
            "total_bytes", "summary", "html", "search_text",
        )  # fmt: skip
        first = (RepoCard.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        self.facts: dict[int, tuple[str, str, str]] = {}

        def rows() -> Iterator[Sequence[Any]]:
            for n, (pk, kind, name, _, _) in enumerate(self.rows):
                task = self.random.choice(TASKS) if kind == "model" else ""
                library = (
                    self.random.choices(LIBRARIES, (50, 15, 12, 8, 5, 4, 4, 2))[0] if kind == "model" else ""
                )
                licence = self.random.choices(LICENCES, (30, 22, 8, 6, 4, 6, 5, 3, 4, 4, 3, 5))[0]
                size = int(10 ** self.random.uniform(6, 11))
                text = f"{name}\n{self.words(45)}" + (
                    f" {self.random.choice(CHINESE)}" if n % 12 == 0 else ""
                )
                self.facts[pk] = (task, licence, text)
                weights = size if kind == "model" else None
                summary = self.words(14).capitalize()
                yield (
                    first + n, pk, "0" * 40, task, library, licence, weights // 2 if weights else None,
                    weights, size + 4096, summary, f"<p>{summary}</p>", text,
                )  # fmt: skip

        return writer.write(rows())

    def tags(self) -> int:
        from models_app.models import RepoTag

        data = [self.full_name(row) for row in self.rows if row[1] == "dataset"]
        models = [self.full_name(row) for row in self.rows if row[1] == "model"]
        first = (RepoTag.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1

        def tags() -> Iterator[tuple[int, str, str]]:
            for pk, kind, _, _, _ in self.rows:
                task, licence, _ = self.facts[pk]
                found = {("language", one) for one in self.random.choices(LANGUAGES, range(32, 0, -2), k=2)}
                found.add(("tag", self.random.choice(WORDS)))
                if licence:
                    found.add(("license", licence))
                if kind == "model":
                    found |= {
                        ("tag", task),
                        ("tag", self.random.choice(("safetensors", "onnx", "gguf", "pytorch"))),
                    }
                    found.add(("dataset", data[int(len(data) * self.random.random() ** 4)]))
                    if self.random.random() < 0.6:
                        found.add(("base_model", models[int(len(models) * self.random.random() ** 6)]))
                if kind == "dataset":
                    found |= {
                        ("task_categories", self.random.choice(TASKS)),
                        ("size_categories", self.random.choice(SIZES)),
                    }
                    found.add(("format", self.random.choice(("parquet", "csv", "json", "images", "text"))))
                yield from ((pk, *one) for one in sorted(found))

        return Writer(RepoTag, "repo", "kind", "value").write(
            (first + n, *tag) for n, tag in enumerate(tags())
        )

    def full_name(self, row: Sequence[Any]) -> str:
        return f"{self.names[row[3]]}/{row[2]}"

    def search(self) -> int:
        from models_app import search_table
        from models_app.pairs import with_pairs

        def rows() -> Iterator[Sequence[Any]]:
            for row in self.rows:
                task, licence, text = self.facts[row[0]]
                yield row[0], self.full_name(row), f"{task} license:{licence}", with_pairs(text)

        return insert(search_table.TABLE, ["rowid", "name", "tags", "body"], rows())

    def boards(self) -> int:
        from models_app.models import Benchmark, BoardMove, EvalResult

        data = [row[0] for row in self.rows if row[1] == "dataset" and not row[4]][:20]
        models = [row[0] for row in self.rows if row[1] == "model"]
        task = [
            {
                "id": "main",
                "split": "test",
                "metric": "accuracy",
                "higher_is_better": True,
                "pipeline_tag": "",
            }
        ]
        boards = Writer(Benchmark, "repo", "name", "tasks").write(
            (n, pk, f"Board {n}", task) for n, pk in enumerate(data, 1)
        )
        results = Writer(
            EvalResult, "repo", "benchmark", "filename", "dataset_id", "task_id", "value", "verified"
        )
        wrote = results.write(
            (
                n,
                self.random.choice(models),
                1 + n % len(data),
                "r.yaml",
                "a/b",
                "main",
                self.random.random(),
                n % 3 == 0,
            )
            for n in range(1, self.repos // 20)
        )
        moves = Writer(BoardMove, "benchmark", "repo", "task_id", "before", "after", "value", "at")
        return (
            boards
            + wrote
            + moves.write(
                (
                    n,
                    1 + n % len(data),
                    self.random.choice(models),
                    "main",
                    None,
                    1 + n % 20,
                    0.9,
                    self.moment(60),
                )
                for n in range(1, 5000)
            )
        )

    def like_rows(self) -> int:
        from models_app.models import Like

        each = self.likes // self.users
        first = self.rows[0][0]

        def rows() -> Iterator[Sequence[Any]]:
            pk = 0
            for user in range(self.users):
                for repo in self.random.sample(range(self.repos), min(each, self.repos)):
                    pk += 1
                    yield pk, self.first_user + user, first + repo, self.moment()

        return Writer(Like, "user", "repo", "created_at").write(rows())

    def threads(self) -> int:
        """A fifth as many threads as things said in them, most of them in few repos."""
        from models_app.models import Discussion

        nums: dict[int, int] = {}
        self.titles: list[str] = []

        def rows() -> Iterator[Sequence[Any]]:
            for n in range(self.events // 5):
                repo = self.rows[int(len(self.rows) * self.random.random() ** 2)][0]
                nums[repo] = nums.get(repo, 0) + 1
                title = (
                    self.words(5).capitalize() if n % 15 else f"{self.random.choice(CHINESE)} {self.words(2)}"
                )
                self.titles.append(title)
                made = self.moment()
                author = self.first_user + self.random.randrange(self.users)
                yield (
                    n + 1,
                    repo,
                    nums[repo],
                    title,
                    author,
                    5,
                    made,
                    made + (NOW - made) * self.random.random() ** 2,
                )

        return Writer(
            Discussion, "repo", "num", "title", "author", "comments_count", "created_at", "last_activity_at"
        ).write(rows())

    def comments(self) -> int:
        from models_app import thread_search
        from models_app.models import DiscussionEvent
        from models_app.pairs import with_pairs

        texts = [self.words(self.random.randrange(6, 20)) for _ in range(20_000)] + list(CHINESE)
        said = [self.random.randrange(len(texts)) for _ in range(self.events)]
        threads = len(self.titles)

        def rows() -> Iterator[Sequence[Any]]:
            for n, text in enumerate(said):
                body = f"{texts[text]} {n}"
                data = {"html": f"<p>{body}</p>", "history": []}
                yield (
                    n + 1,
                    1 + n % threads,
                    "comment",
                    self.first_user + n % self.users,
                    body,
                    data,
                    self.moment(),
                )

        def found() -> Iterator[Sequence[Any]]:
            for n, text in enumerate(said):
                title = self.titles[n] if n < threads else ""
                yield n + 1, title, with_pairs(f"{title}\n{texts[text]} {n}")

        wrote = Writer(DiscussionEvent, "discussion", "type", "author", "body", "data", "created_at").write(
            rows()
        )
        return wrote + insert(
            thread_search.TABLE,
            ["rowid", "title", "body"],
            found(),
        )

    def log(self) -> int:
        """Commits as the log tells of them; everybody has been told."""
        from models_app.models import Event, EventTag

        first = (Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        return Writer(Event, "actor", "tag", "repo", "data", "at", "notified_at").write(
            (
                first + n,
                self.first_user + row[3],
                EventTag.COMMIT_ADD.value,
                row[0],
                {"branch": "main"},
                at,
                at,
            )
            for n, row in enumerate(self.rows)
            for at in [self.moment(90)]
        )

    def settle(self) -> int:
        """Sequences after the rows, and the statistics that both databases plan by."""
        from django.apps import apps
        from django.core.management.color import no_style
        from django.db import connection

        with connection.cursor() as cursor:
            for query in connection.ops.sequence_reset_sql(no_style(), list(apps.get_models())):
                cursor.execute(query)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
        return 0


if __name__ == "__main__":
    sys.exit(main())
