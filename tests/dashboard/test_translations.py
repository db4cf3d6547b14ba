"""Português do Brasil: every text is translated, placeholders are kept, the compiled catalogue is the written one."""

from __future__ import annotations

import ast
import gettext
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

CATALOGUE = Path(settings.BASE_DIR) / "dashboard" / "locale" / "pt_BR" / "LC_MESSAGES" / "django.po"
IGNORED = [".venv", "tests/*", "var/*", "bench/*", "deploy/*"]


@dataclass(frozen=True)
class Entry:
    context: str | None
    source: str
    plural: str | None
    texts: tuple[str, ...]
    fuzzy: bool

    @property
    def key(self) -> str:
        return self.source if self.context is None else f"{self.context}\x04{self.source}"


def entries(text: str) -> list[Entry]:
    """The entries of a .po file without its header."""
    found = []
    for block in text.split("\n\n"):
        parts: dict[str, str] = {}
        current = ""
        for line in block.splitlines():
            if match := re.match(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")$', line):
                current = match[1]
                parts[current] = ast.literal_eval(match[2])
            elif line.startswith('"') and current:
                parts[current] += ast.literal_eval(line)
        if parts.get("msgid"):
            texts = tuple(value for name, value in parts.items() if name.startswith("msgstr"))
            fuzzy = any(line.startswith("#,") and "fuzzy" in line for line in block.splitlines())
            found.append(Entry(parts.get("msgctxt"), parts["msgid"], parts.get("msgid_plural"), texts, fuzzy))
    return found


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)[sd]|\{\w+\}|%s|</?\w+|&nbsp;", text))


WRITTEN = entries(CATALOGUE.read_text())


def test_every_entry_is_translated_and_keeps_its_placeholders():
    assert len(WRITTEN) > 700
    for entry in WRITTEN:
        assert all(entry.texts) and not entry.fuzzy, entry.source
        assert len(entry.texts) == (2 if entry.plural else 1), entry.source
        for source, text in zip((entry.source, entry.plural or ""), entry.texts, strict=False):
            assert placeholders(text) == placeholders(source), entry.source


def test_the_compiled_catalogue_is_the_written_one():
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]
    compiled.pop("")
    written = {}
    for entry in WRITTEN:
        for number, text in enumerate(entry.texts):
            written[(entry.key, number) if entry.plural else entry.key] = text
    assert compiled == written


def test_no_text_of_the_code_is_missing_in_the_catalogue(tmp_path: Path):
    root = Path(settings.BASE_DIR)
    for name in ("dashboard", "guests", "consoles", "templates"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "migrations"))
    shutil.copy(root / "manage.py", tmp_path)
    ignored = [word for pattern in IGNORED for word in ("-i", pattern)]
    command = [sys.executable, "manage.py", "makemessages", "-l", "pt_BR", "--no-location", *ignored]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=100)
    made = entries((tmp_path / CATALOGUE.relative_to(root)).read_text())
    missing = [entry.source for entry in made if not all(entry.texts) or entry.fuzzy]
    assert missing == [], "\n".join(missing)


@pytest.mark.django_db
def test_a_page_is_in_the_language_that_was_chosen():
    client = Client(HTTP_HOST="127.0.0.1", HTTP_ACCEPT_LANGUAGE="pt-BR,pt;q=0.9")
    text = client.get("/accounts/login/").content.decode()
    assert '<html lang="pt-br">' in text and "Continuar conectado nesta máquina" in text
    with translation.override("pt-br"):
        assert translation.gettext("Shut off") == "Desligado"
