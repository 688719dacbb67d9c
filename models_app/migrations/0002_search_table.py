"""The table behind search, of whichever database it is."""

from __future__ import annotations

from django.db import migrations

from models_app import search_table


class Migration(migrations.Migration):
    dependencies = [("models_app", "0001_initial")]
    operations = [
        migrations.RunPython(lambda apps, editor: search_table.create(), lambda apps, editor: search_table.drop())
    ]
