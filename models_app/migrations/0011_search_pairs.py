from django.db import migrations, models
from django.db.models.functions import Lower

from models_app import search_table


class Migration(migrations.Migration):
    dependencies = [("models_app", "0010_saved_told")]
    operations = [
        migrations.AddIndex(model_name="repo", index=models.Index(Lower("name"), name="repo_name")),
        migrations.RunPython(lambda apps, editor: search_table.pair_all(), migrations.RunPython.noop),
    ]
