"""On PostgreSQL the tables of texts keep them in small letters; on SQLite there is nothing to do."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from models_app import search_table, thread_search


class Migration(migrations.Migration):
    dependencies: ClassVar = [("models_app", "0012_mail_lease")]
    operations: ClassVar = [
        migrations.RunPython(lambda apps, editor: search_table.fold(), migrations.RunPython.noop),
        migrations.RunPython(lambda apps, editor: thread_search.fold(), migrations.RunPython.noop),
    ]
