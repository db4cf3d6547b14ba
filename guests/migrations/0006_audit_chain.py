"""Every line of the audit record gets a link in a hash chain; the database makes it (guests/audit/chain.py)."""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from guests.audit.chain import GENESIS, digest_of, link_hash

append_only = import_module("guests.migrations.0002_audit_append_only")
LOCK = 0x6775657374  # "guest": of the chain's advisory lock

# SHA256() is Django's own on SQLite: whoever adds a line without Django is refused.
SQLITE_CHAIN = """CREATE TRIGGER guests_auditrecord_chain AFTER INSERT ON guests_auditrecord BEGIN
    INSERT INTO guests_auditlink (position, record_id, hash) VALUES (
        coalesce((SELECT max(position) FROM guests_auditlink), 0) + 1,
        NEW.id,
        SHA256(coalesce((SELECT hash FROM guests_auditlink ORDER BY position DESC LIMIT 1), '') || NEW.digest));
    END"""
# In a function of READ COMMITTED each statement sees what was committed before it: the tail is read under the lock.
POSTGRESQL_CHAIN = [
    f"""CREATE OR REPLACE FUNCTION guests_auditrecord_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE tail guests_auditlink;
    BEGIN
        PERFORM pg_advisory_xact_lock({LOCK});
        SELECT * INTO tail FROM guests_auditlink ORDER BY position DESC LIMIT 1;
        INSERT INTO guests_auditlink (position, record_id, hash) VALUES (
            coalesce(tail.position, 0) + 1,
            NEW.id,
            encode(sha256(convert_to(coalesce(tail.hash, '') || NEW.digest, 'UTF8')), 'hex'));
        RETURN NULL;
    END $$""",
    """CREATE CONSTRAINT TRIGGER guests_auditrecord_chain AFTER INSERT ON guests_auditrecord
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION guests_auditrecord_chain()""",
]


# The links are append-only as the lines are; the function that refuses is that of 0002.
SQLITE_LINKS = [
    f"""CREATE TRIGGER guests_auditlink_no_{verb.lower()} BEFORE {verb} ON guests_auditlink
    BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"""
    for verb in ("UPDATE", "DELETE")
]
POSTGRESQL_LINKS = [
    """CREATE TRIGGER guests_auditlink_no_change BEFORE UPDATE OR DELETE ON guests_auditlink
    FOR EACH ROW EXECUTE FUNCTION guests_auditrecord_refuse()""",
    """CREATE TRIGGER guests_auditlink_no_truncate BEFORE TRUNCATE ON guests_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION guests_auditrecord_refuse()""",
]
DROP_SQLITE = [
    f"DROP TRIGGER IF EXISTS {trigger}"
    for trigger in ("guests_auditlink_no_update", "guests_auditlink_no_delete", "guests_auditrecord_chain")
]
DROP_POSTGRESQL = [
    "DROP TRIGGER IF EXISTS guests_auditlink_no_change ON guests_auditlink",
    "DROP TRIGGER IF EXISTS guests_auditlink_no_truncate ON guests_auditlink",
    "DROP TRIGGER IF EXISTS guests_auditrecord_chain ON guests_auditrecord",
]


def refuse(apps, schema_editor):
    """Put all triggers in place. A later migration that rebuilds one of the tables on SQLite must call this again."""
    append_only.refuse(apps, schema_editor)
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRESQL_LINKS + POSTGRESQL_CHAIN if on_postgresql else [*SQLITE_LINKS, SQLITE_CHAIN]:
        schema_editor.execute(statement)


def allow(apps, schema_editor):
    """Take them away."""
    append_only.allow(apps, schema_editor)
    for statement in DROP_POSTGRESQL if schema_editor.connection.vendor == "postgresql" else DROP_SQLITE:
        schema_editor.execute(statement)


def link_what_stands(apps, schema_editor):
    """The lines from before the chain, in the order they were written."""
    records, links = apps.get_model("guests", "AuditRecord"), apps.get_model("guests", "AuditLink")
    before = GENESIS
    for position, line in enumerate(records.objects.order_by("pk").iterator(), start=1):
        line.digest = digest_of(line)
        line.save(update_fields=["digest"])
        before = link_hash(before, line.digest)
        links.objects.create(position=position, record=line, hash=before)


class Migration(migrations.Migration):
    dependencies = [("guests", "0005_api_tokens")]
    operations = [
        migrations.RunPython(append_only.allow, append_only.refuse),
        migrations.AlterField(
            "auditrecord", "at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)
        ),
        migrations.AddField("auditrecord", "digest", models.CharField(default="", editable=False, max_length=64)),
        migrations.AddIndex("auditrecord", models.Index(fields=["action", "-id"], name="audit_by_action")),
        migrations.AddIndex("auditrecord", models.Index(fields=["user_name", "-id"], name="audit_by_person")),
        migrations.CreateModel(
            "AuditLink",
            [
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "record",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="link",
                        to="guests.auditrecord",
                    ),
                ),
                ("hash", models.CharField(max_length=64)),
            ],
            options={"ordering": ["position"]},
        ),
        migrations.RunPython(link_what_stands, migrations.RunPython.noop),
        migrations.RunPython(refuse, allow),
    ]
