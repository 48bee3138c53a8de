from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Indexes for the figures above the list and for the last tasks of an officer."""

    dependencies = [
        ("cases", "0100_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("state__in", ["accepted", "new"])),
                fields=["state", "case", "due_at_ms"],
                name="work_open",
            ),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("ended_at_ms__isnull", False)),
                fields=["assignee", "-ended_at_ms", "-id"],
                name="work_ended_by",
            ),
        ),
    ]
