"""The database itself refuses to change or remove a line of the audit record."""

from django.db import migrations

SQLITE = [
    f"""CREATE TRIGGER guests_auditrecord_no_{verb.lower()} BEFORE {verb} ON guests_auditrecord
    BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"""
    for verb in ("UPDATE", "DELETE")
]
POSTGRESQL = [
    """CREATE OR REPLACE FUNCTION guests_auditrecord_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit records are append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    """CREATE TRIGGER guests_auditrecord_no_change BEFORE UPDATE OR DELETE ON guests_auditrecord
    FOR EACH ROW EXECUTE FUNCTION guests_auditrecord_refuse()""",
    """CREATE TRIGGER guests_auditrecord_no_truncate BEFORE TRUNCATE ON guests_auditrecord
    FOR EACH STATEMENT EXECUTE FUNCTION guests_auditrecord_refuse()""",
]
DROP_SQLITE = [f"DROP TRIGGER IF EXISTS guests_auditrecord_no_{verb}" for verb in ("update", "delete")]
DROP_POSTGRESQL = [
    f"DROP TRIGGER IF EXISTS guests_auditrecord_no_{what} ON guests_auditrecord" for what in ("change", "truncate")
]


def refuse(apps, schema_editor):
    """Put the triggers in place. A later migration that rebuilds the table on SQLite must call this again."""
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def allow(apps, schema_editor):
    """Take them away."""
    for statement in DROP_POSTGRESQL if schema_editor.connection.vendor == "postgresql" else DROP_SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("guests", "0001_initial")]
    operations = [migrations.RunPython(refuse, allow)]
