"""The API of the running product, its host one of libvirt's test driver: fuzzed, and every example of its page run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.labs.host_xml import HostXml
from tests.labs.lab import REPOSITORY
from tests.labs.product import Product

MAKE_TOKEN = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from guests.access.tokens import Ability, make_token
print(make_token(User.objects.get(), "test", Ability.OPERATE, timezone.now() + timedelta(days=1))[1])
"""
RATES = ("API_REQUESTS", "ACTIONS", "ACTIONS_PER_GUEST", "REFUSALS", "REQUESTS_PER_ADDRESS")
SECONDS = 60
CASES = "40"  # of each address
EXAMPLE = re.compile(r"```bash\n(.*?)```\n(?:```json\n(.*?)```\n)?", re.DOTALL)


@dataclass
class Served:
    product: Product
    guest: UUID
    secret: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    host = HostXml(tmp_path_factory.mktemp("host") / "host.xml")
    guest = host.add_guest("web-1")
    host.add_guest("off-1", running=False)
    product = Product({"atlas": host.uri}, {f"GUESTHOUSE_{name}_PER_MINUTE": "1000000" for name in RATES})
    yield Served(product, guest, product.manage("shell", "-c", MAKE_TOKEN).split()[-1])
    product.close()


def examples() -> list[tuple[str, str]]:
    return EXAMPLE.findall((REPOSITORY / "docs" / "api.md").read_text())


def test_the_examples_of_the_documentation_work(served: Served) -> None:
    environment = {"URL": served.product.url, "TOKEN": served.secret, "GUEST": str(served.guest)}
    assert len(examples()) >= 10
    for command, told in examples():
        path = {"PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["bash", "-euc", command], env=environment | path, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, command + done.stdout + done.stderr
        answer = json.loads(done.stdout)
        for operation in answer.get("operations", []):
            assert operation["state"] == "done", command + done.stdout
        if told:
            _has_the_fields_of(answer, json.loads(told), command)


def _has_the_fields_of(answer: Any, told: Any, where: str) -> None:
    """Every field that the documentation shows is there, at every depth."""
    if isinstance(told, dict):
        assert set(told) <= set(answer), where
        for name, value in told.items():
            _has_the_fields_of(answer[name], value, f"{where}: {name}")
    elif isinstance(told, list) and told:
        assert answer, where
        _has_the_fields_of(answer[0], told[0], where)


def test_the_api_keeps_to_its_document_whatever_is_sent(tmp_path: Path, served: Served) -> None:
    """schemathesis: values at and over every border, random bodies, foreign methods, no and wrong tokens. A fixed seed,
    so that a failure is there again.
    """
    named = f'"path.guest_id" = "{served.guest}"\n"path.name" = "atlas"\n'
    (tmp_path / "schemathesis.toml").write_text(f"[parameters]\n{named}")
    command = [
        Path(sys.executable).parent / "schemathesis",
        "run",
        f"{served.product.url}/api/v1/openapi.json",
        *("--header", f"Authorization: Bearer {served.secret}"),
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
    assert "Tested: 17" in done.stdout
    log = served.product.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-4000:]
