from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('models_app', '0009_find'),
    ]

    operations = [
        migrations.AddField(
            model_name='savedsearch',
            name='told',
            field=models.PositiveIntegerField(default=0),
        ),
    ]
