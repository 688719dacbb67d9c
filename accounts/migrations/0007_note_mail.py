from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_skeletons'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='note_mail',
            field=models.BooleanField(default=True),
        ),
    ]
