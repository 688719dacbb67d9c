from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("runs", "0007_portal"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="recipe_fingerprint",
            field=models.CharField(blank=True, db_index=True, max_length=64),
        ),
    ]
