"""schemathesis against the running product with a host of libvirt's test driver: the API keeps to its document.

A good second for each address: values at and over every border, random bodies, foreign methods, no and wrong tokens. A
fixed seed, so that a failure is there again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.labs.host_xml import HostXml
from tests.labs.product import Product

MAKE_TOKEN = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from guests.access.tokens import Ability, make_token
print(make_token(User.objects.get(), "fuzz", Ability.OPERATE, timezone.now() + timedelta(days=1))[1])
"""
SECONDS = 60
CASES = "40"  # of each address


def test_the_api_keeps_to_its_document_whatever_is_sent(
    tmp_path: Path, host_xml: HostXml, start_product: Callable[..., Product]
) -> None:
    guest = host_xml.add_guest("web-1")
    host_xml.add_guest("off-1", running=False)
    product = start_product({"alpha": host_xml.uri}, {"GUESTHOUSE_API_REQUESTS_PER_MINUTE": "1000000"})
    secret = product.manage("shell", "-c", MAKE_TOKEN).split()[-1]
    (tmp_path / "schemathesis.toml").write_text(f'[parameters]\n"path.guest_id" = "{guest}"\n"path.name" = "alpha"\n')
    command = [
        Path(sys.executable).parent / "schemathesis",
        "run",
        f"{product.url}/api/v1/openapi.json",
        *("--header", f"Authorization: Bearer {secret}"),
        *("--phases", "coverage,fuzzing"),
        *("--max-examples", CASES),
        *("--seed", "1"),
        *("--checks", "all"),
        # What a form refuses (nothing would change, more than the host has) is valid as far as the document knows.
        *("--exclude-checks", "positive_data_acceptance"),
        "--continue-on-failure",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: 13" in done.stdout
    log = product.log.read_text(errors="replace")
    assert "Traceback" not in log.replace("Permission denied", ""), log[-4000:]
