from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bays", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="bay",
            name="hours",
            field=models.JSONField(help_text="When it is open (central.bays.hours); null: always.", null=True),
        ),
    ]
