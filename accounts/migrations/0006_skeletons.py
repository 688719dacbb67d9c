"""The look of every name that is here (accounts/lookalikes.py), so that new ones can be compared with it."""

from django.db import migrations

from accounts.lookalikes import skeleton


def fill(apps, schema_editor):
    rows = apps.get_model("accounts", "Namespace").objects.filter(skeleton="")
    while batch := list(rows.only("pk", "name")[:1000]):
        for row in batch:
            row.skeleton = skeleton(row.name)
        rows.model.objects.bulk_update(batch, ["skeleton"])


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_portal"),
    ]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
