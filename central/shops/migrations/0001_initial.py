"""Shops. The database itself refuses to change or delete a line of a shop's log.

SQLite drops triggers with a table that a later migration rebuilds: such a migration must make them again.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


TABLE = "shops_entry"

SQLITE = [
    f"""CREATE TRIGGER {TABLE}_no_update BEFORE UPDATE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, 'the log of shops is append-only'); END""",
    f"""CREATE TRIGGER {TABLE}_no_delete BEFORE DELETE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, 'the log of shops is append-only'); END""",
]
SQLITE_BACK = [f"DROP TRIGGER {TABLE}_no_update", f"DROP TRIGGER {TABLE}_no_delete"]

POSTGRESQL = [
    f"""CREATE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the log of shops is append-only'; END $$""",
    f"""CREATE TRIGGER {TABLE}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE}
        FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_refuse()""",
]
POSTGRESQL_BACK = [f"DROP TRIGGER {TABLE}_no_change ON {TABLE}", f"DROP FUNCTION {TABLE}_refuse()"]


def _run(statements):
    def run(apps, schema_editor):
        for statement in statements[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('cases', '0104_follower'),
        ('grids', '0001_grids'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Round',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('jurisdiction_id', models.CharField(max_length=64, unique=True)),
                ('due_at_ms', models.BigIntegerField(db_index=True)),
                ('after', models.BigIntegerField(default=0, help_text='The last shop that was done.')),
            ],
        ),
        migrations.CreateModel(
            name='Shop',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('jurisdiction_id', models.CharField(max_length=64)),
                ('number', models.CharField(help_text="The register's own; unique in the jurisdiction.", max_length=40)),
                ('name', models.CharField(max_length=120)),
                ('category', models.CharField(choices=[('catering', 'Catering'), ('retail', 'Retail'), ('workshop', 'Small workshop'), ('lodging', 'Lodging')], max_length=12)),
                ('licence', models.CharField(blank=True, max_length=40)),
                ('address', models.CharField(blank=True, max_length=300)),
                ('longitude', models.FloatField(null=True)),
                ('latitude', models.FloatField(null=True)),
                ('sealed', models.BinaryField(help_text="The owner's name and number.", null=True)),
                ('phone_mark', models.CharField(blank=True, max_length=64)),
                ('phone_masked', models.CharField(blank=True, max_length=20)),
                ('language', models.CharField(default='zh-hans', max_length=10)),
                ('active', models.BooleanField(default=True)),
                ('registered_at_ms', models.BigIntegerField()),
                ('colour', models.CharField(choices=[('green', 'Green'), ('yellow', 'Yellow'), ('red', 'Red')], default='green', max_length=6)),
                ('reasons', models.JSONField(default=list)),
                ('rule', models.CharField(blank=True, max_length=40)),
                ('risk', models.IntegerField(default=0)),
                ('colour_since_ms', models.BigIntegerField()),
                ('self_inspected_at_ms', models.BigIntegerField(null=True)),
                ('inspected_at_ms', models.BigIntegerField(help_text='By somebody other than the merchant.', null=True)),
                ('grid', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shops', to='grids.grid')),
            ],
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('made_at_ms', models.BigIntegerField()),
                ('expires_at_ms', models.BigIntegerField()),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Rating',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('device', models.CharField(help_text='Keyed hash; nobody is found by it.', max_length=64)),
                ('network', models.CharField(help_text='Keyed hash of the address and the day.', max_length=64)),
                ('day', models.DateField()),
                ('stars', models.SmallIntegerField()),
                ('at_ms', models.BigIntegerField()),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ratings', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Photo',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64)),
                ('thumbnail_sha256', models.CharField(max_length=64)),
                ('original_sha256', models.CharField(max_length=64)),
                ('actor', models.CharField(max_length=160)),
                ('received_at_ms', models.BigIntegerField()),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='photos', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200, unique=True)),
                ('kind', models.CharField(max_length=20)),
                ('zh', models.CharField(max_length=500)),
                ('en', models.CharField(max_length=500)),
                ('at_ms', models.BigIntegerField()),
                ('read_at_ms', models.BigIntegerField(null=True)),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='LoginCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64)),
                ('made_at_ms', models.BigIntegerField()),
                ('attempts', models.SmallIntegerField(default=0)),
                ('used_at_ms', models.BigIntegerField(null=True)),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Inspection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=100)),
                ('kind', models.CharField(choices=[('self', 'Self-inspection'), ('patrol', 'Patrol inspection'), ('professional', 'Professional inspection')], max_length=12)),
                ('checklist', models.CharField(help_text='Category and version.', max_length=40)),
                ('answers', models.JSONField(help_text='By item: ok, fail or none.')),
                ('failed', models.IntegerField()),
                ('note', models.CharField(blank=True, max_length=2000)),
                ('signed_by', models.CharField(blank=True, max_length=80)),
                ('signature', models.TextField(blank=True, help_text='A path of SVG, in a box of 600 x 200.')),
                ('actor', models.CharField(max_length=160)),
                ('at_ms', models.BigIntegerField()),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shop_inspections', to=settings.AUTH_USER_MODEL)),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inspections', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('item', models.CharField(max_length=40)),
                ('severity', models.CharField(choices=[('minor', 'Minor hazard'), ('major', 'Major hazard'), ('grave', 'Grave hazard')], max_length=6)),
                ('titles', models.JSONField(help_text='As the checklist said it then: zh and en.')),
                ('found_at_ms', models.BigIntegerField()),
                ('due_at_ms', models.BigIntegerField()),
                ('mended_at_ms', models.BigIntegerField(null=True)),
                ('mend_note', models.CharField(blank=True, max_length=500)),
                ('checked_at_ms', models.BigIntegerField(help_text='When an inspector agreed that it is mended.', null=True)),
                ('checked_by', models.CharField(blank=True, max_length=160)),
                ('inspection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='shops.inspection')),
                ('mend_photo', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='shops.photo')),
                ('photo', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='shops.photo')),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=30)),
                ('at_ms', models.BigIntegerField()),
                ('actor', models.CharField(max_length=160)),
                ('body', models.JSONField()),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='log', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Enforcement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('red_since_ms', models.BigIntegerField()),
                ('case', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='shop_enforcement', to='cases.case')),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='enforcements', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Code',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(max_length=32, unique=True)),
                ('issued_at_ms', models.BigIntegerField()),
                ('expires_at_ms', models.BigIntegerField(null=True)),
                ('revoked_at_ms', models.BigIntegerField(null=True)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='codes', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Certificate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('business_licence', 'Business licence'), ('food_licence', 'Food licence'), ('lodging_licence', 'Special trade licence'), ('health', 'Health certificate'), ('extinguisher', 'Fire extinguisher'), ('gas_hose', 'Gas hose'), ('gas_alarm', 'Gas alarm'), ('smoke_alarm', 'Smoke alarm'), ('electricity', 'Check of the wiring'), ('insurance', 'Liability insurance'), ('other', 'Other')], max_length=20)),
                ('label', models.CharField(blank=True, help_text='Which one, where a shop has several.', max_length=80)),
                ('expires_on', models.DateField(help_text='The last day on which it is good.')),
                ('actor', models.CharField(max_length=160)),
                ('added_at_ms', models.BigIntegerField()),
                ('replaced_at_ms', models.BigIntegerField(null=True)),
                ('photo', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='shops.photo')),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='Appeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('colour', models.CharField(choices=[('green', 'Green'), ('yellow', 'Yellow'), ('red', 'Red')], max_length=6)),
                ('reasons', models.JSONField()),
                ('text', models.CharField(max_length=1000)),
                ('at_ms', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'To be decided'), ('upheld', 'Upheld'), ('rejected', 'Rejected')], default='open', max_length=10)),
                ('set_aside', models.JSONField(default=list, help_text='Keys of facts that count no more.')),
                ('decided_by', models.CharField(blank=True, max_length=160)),
                ('decided_at_ms', models.BigIntegerField(null=True)),
                ('note', models.CharField(blank=True, max_length=1000)),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='appeals', to='shops.shop')),
            ],
        ),
        migrations.CreateModel(
            name='TipOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=100)),
                ('text', models.CharField(max_length=1000)),
                ('network', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('at_ms', models.BigIntegerField()),
                ('state', models.CharField(choices=[('new', 'To be verified'), ('verified', 'Verified'), ('unfounded', 'Unfounded')], default='new', max_length=10)),
                ('severity', models.CharField(blank=True, choices=[('minor', 'Minor hazard'), ('major', 'Major hazard'), ('grave', 'Grave hazard')], max_length=6)),
                ('decided_by', models.CharField(blank=True, max_length=160)),
                ('decided_at_ms', models.BigIntegerField(null=True)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('photo', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='shops.photo')),
                ('shop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tip_offs', to='shops.shop')),
            ],
        ),
        migrations.AddIndex(
            model_name='shop',
            index=models.Index(fields=['jurisdiction_id', 'active', '-risk', 'id'], name='shop_by_risk'),
        ),
        migrations.AddIndex(
            model_name='shop',
            index=models.Index(fields=['jurisdiction_id', 'phone_mark'], name='shop_of_owner'),
        ),
        migrations.AddConstraint(
            model_name='shop',
            constraint=models.UniqueConstraint(fields=('jurisdiction_id', 'number'), name='shop_number_once'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(fields=['expires_at_ms'], name='session_expiry'),
        ),
        migrations.AddIndex(
            model_name='rating',
            index=models.Index(fields=['network', 'day'], name='rating_of_network'),
        ),
        migrations.AddConstraint(
            model_name='rating',
            constraint=models.UniqueConstraint(fields=('shop', 'device', 'day'), name='one_rating_a_day'),
        ),
        migrations.AddConstraint(
            model_name='rating',
            constraint=models.CheckConstraint(condition=models.Q(('stars__gte', 1), ('stars__lte', 5)), name='one_to_five_stars'),
        ),
        migrations.AddIndex(
            model_name='note',
            index=models.Index(fields=['shop', '-at_ms'], name='note_of_shop'),
        ),
        migrations.AddIndex(
            model_name='logincode',
            index=models.Index(fields=['shop', '-made_at_ms'], name='login_code_of_shop'),
        ),
        migrations.AddIndex(
            model_name='inspection',
            index=models.Index(fields=['shop', '-at_ms'], name='inspection_of_shop'),
        ),
        migrations.AddConstraint(
            model_name='inspection',
            constraint=models.UniqueConstraint(fields=('shop', 'key'), name='one_inspection_a_key'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(condition=models.Q(('mended_at_ms__isnull', True)), fields=['shop'], name='finding_open'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['shop', '-found_at_ms'], name='finding_of_shop'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['shop', '-at_ms', '-id'], name='log_of_shop'),
        ),
        migrations.AddConstraint(
            model_name='enforcement',
            constraint=models.UniqueConstraint(fields=('shop', 'red_since_ms'), name='one_case_for_each_red'),
        ),
        migrations.AddConstraint(
            model_name='code',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at_ms__isnull', True)), fields=('shop',), name='one_code_in_force'),
        ),
        migrations.AddIndex(
            model_name='certificate',
            index=models.Index(condition=models.Q(('replaced_at_ms__isnull', True)), fields=['expires_on'], name='certificate_expiry'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.UniqueConstraint(condition=models.Q(('replaced_at_ms__isnull', True)), fields=('shop', 'kind', 'label'), name='one_certificate_in_force'),
        ),
        migrations.AddConstraint(
            model_name='appeal',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('shop',), name='one_open_appeal'),
        ),
        migrations.AddIndex(
            model_name='tipoff',
            index=models.Index(fields=['network', 'day'], name='tip_off_of_network'),
        ),
        migrations.AddIndex(
            model_name='tipoff',
            index=models.Index(fields=['shop', 'state', '-at_ms'], name='tip_off_of_shop'),
        ),
        migrations.AddConstraint(
            model_name='tipoff',
            constraint=models.UniqueConstraint(fields=('shop', 'key'), name='one_tip_off_a_key'),
        ),
        migrations.RunPython(
            _run({"sqlite": SQLITE, "postgresql": POSTGRESQL}),
            _run({"sqlite": SQLITE_BACK, "postgresql": POSTGRESQL_BACK}),
        ),
    ]
