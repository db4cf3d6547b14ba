import django.db.models.deletion
from django.db import migrations, models


def forget_tickets(apps, schema_editor):
    """They are good for seconds, and do not say for which host."""
    apps.get_model("consoles", "Ticket").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("consoles", "0002_console_setting"),
        ("guests", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(forget_tickets, migrations.RunPython.noop),
        migrations.AddField(
            model_name="ticket",
            name="host",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="guests.host"
            ),
        ),
        migrations.AddField(
            model_name="consolesession",
            name="sent_away_by",
            field=models.CharField(blank=True, default="", max_length=150),
        ),
        migrations.AddField(
            model_name="consolesession",
            name="sent_away_because",
            field=models.CharField(blank=True, default="", max_length=80),
        ),
    ]
