"""Cases that were there before follow the shipped rules of parking, from where each stands.

The states are those that the shipped definition has; every older case is one of a camera.
"""

from django.db import migrations

PLACES = (
    # (coarse state, whether an officer has accepted, process state, step)
    ("watched", None, "watched", "collect"),
    ("open", False, "dispatched", "dispatch"),
    ("open", True, "handling", "handle"),
    ("closed", None, "closed", "verify_close"),
)


def forwards(apps, schema_editor):
    case_model = apps.get_model("cases", "Case")
    older = case_model.objects.using(schema_editor.connection.alias).filter(definition__isnull=True)
    if not older.exists():
        return
    from central.cases.catalogue import SHIPPED, read

    definition = read(SHIPPED / "sidewalk_parking.toml")
    rules, _ = (
        apps.get_model("cases", "ServiceDefinition")
        .objects.using(schema_editor.connection.alias)
        .get_or_create(
            sha256=definition.sha256,
            defaults={
                "service_code": definition.service_code,
                "body": definition.canonical,
                "kept_at_ms": 0,
            },
        )
    )
    accepted = (
        apps.get_model("cases", "WorkOrder")
        .objects.using(schema_editor.connection.alias)
        .filter(state="accepted")
        .values("case_id")
    )
    for coarse, taken, process_state, step in PLACES:
        here = older.filter(state=coarse, service_code="sidewalk_parking")
        if taken is not None:
            here = here.filter(pk__in=accepted) if taken else here.exclude(pk__in=accepted)
        here.update(process_state=process_state, step=step, definition=rules)


class Migration(migrations.Migration):
    dependencies = [("cases", "0007_engine")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
