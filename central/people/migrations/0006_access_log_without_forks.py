"""No two lines of the access log have the same number, and the database refuses changes again."""

import importlib

from django.db import migrations, models

triggers = importlib.import_module("central.people.migrations.0004_reads_are_append_only")


class Migration(migrations.Migration):
    dependencies = [("people", "0005_access_log_chain")]

    operations = [
        migrations.AddConstraint(
            model_name="sensitiveread",
            constraint=models.UniqueConstraint(
                fields=("jurisdiction_id", "line"), name="access_log_without_forks"
            ),
        ),
        migrations.RunPython(
            triggers._run({"sqlite": triggers.SQLITE, "postgresql": triggers.POSTGRESQL}),
            triggers._run({"sqlite": triggers.SQLITE_BACK, "postgresql": triggers.POSTGRESQL_BACK}),
        ),
    ]
