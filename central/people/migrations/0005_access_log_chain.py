"""The access log becomes a chain for each jurisdiction; lines that are there already are linked in their order.

The triggers that refuse changes are away meanwhile: SQLite builds the table anew, and the lines get their hashes. The next
migration makes them again.
"""

import hashlib
import importlib
import json

from django.db import migrations, models

triggers = importlib.import_module("central.people.migrations.0004_reads_are_append_only")
CHUNK = 1000
COLUMNS = ["at_ms", "user_id", "name", "role", "subject", "number", "fields", "purpose", "address"]


def link(apps, schema_editor):
    reads = apps.get_model("people", "SensitiveRead").objects
    chains = apps.get_model("people", "AccessChain").objects
    places = list(reads.order_by().values_list("jurisdiction_id", flat=True).distinct())
    for place in places:
        line, head, last = 0, "0" * 64, 0
        while some := list(reads.filter(jurisdiction_id=place, pk__gt=last).order_by("pk")[:CHUNK]):
            for read in some:
                line += 1
                told = [place, line, *(getattr(read, name) for name in COLUMNS), head]
                text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
                read.line, read.previous_sha256 = line, head
                read.sha256 = head = hashlib.sha256(text.encode()).hexdigest()
            reads.bulk_update(some, ["line", "previous_sha256", "sha256"], batch_size=100)
            last = some[-1].pk
        chains.create(jurisdiction_id=place, length=line, head_sha256=head)


class Migration(migrations.Migration):
    dependencies = [("people", "0004_reads_are_append_only")]

    operations = [
        migrations.RunPython(
            triggers._run({"sqlite": triggers.SQLITE_BACK, "postgresql": triggers.POSTGRESQL_BACK}),
            triggers._run({"sqlite": triggers.SQLITE, "postgresql": triggers.POSTGRESQL}),
        ),
        migrations.CreateModel(
            name="AccessChain",
            fields=[
                ("jurisdiction_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("length", models.BigIntegerField(default=0)),
                ("head_sha256", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.AddField(
            model_name="sensitiveread",
            name="line",
            field=models.BigIntegerField(
                default=0, help_text="Its number in the log of its jurisdiction, from 1."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="sensitiveread",
            name="previous_sha256",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="sensitiveread",
            name="sha256",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(link, migrations.RunPython.noop),
    ]
