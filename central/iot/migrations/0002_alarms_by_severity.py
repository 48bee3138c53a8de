from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("iot", "0001_devices"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="alarm", name="alarm_live"),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("cleared_at_ms__isnull", True)),
                fields=["severity", "-raised_at_ms", "-id"],
                name="alarm_lasting",
            ),
        ),
    ]
