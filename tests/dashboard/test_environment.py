"""F11: secrets come from the environment or from files, and what is wrong with one is said without telling it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.environment import env_secret

NAME, SECRET = "GUESTHOUSE_SECRET_OF_A_TEST", "a secret that nobody is told"


@pytest.fixture
def secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        path = tmp_path / "secret"
        path.write_bytes(content)
        monkeypatch.setenv(f"{NAME}_FILE", str(path))
        return path

    return written


def check_refused(*words: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        env_secret(NAME)
    assert all(word in str(refused.value) for word in words), refused.value
    assert SECRET not in str(refused.value)


def test_F11_a_secret_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, f" {SECRET} ")
    assert env_secret(NAME) == SECRET
    monkeypatch.setenv(f"{NAME}_FILE", "")
    assert env_secret(NAME) == SECRET


def test_F11_a_secret_comes_from_the_file_that_is_named(
    secret_file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file(f"{SECRET}\n".encode())
    assert env_secret(NAME) == SECRET
    monkeypatch.setenv(NAME, "")  # as compose files hand over what is not set
    assert env_secret(NAME) == SECRET


def test_F11_without_either_there_is_none() -> None:
    assert env_secret(NAME) == ""


def test_F11_both_are_refused(secret_file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(SECRET.encode())
    monkeypatch.setenv(NAME, SECRET)
    check_refused(NAME, f"{NAME}_FILE", "both")


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "holds no text")]
)
def test_F11_a_file_that_holds_no_secret_is_refused(
    secret_file: Callable[[bytes], Path], content: bytes, words: str
) -> None:
    check_refused(f"{NAME}_FILE", str(secret_file(content)), words)


def test_F11_a_file_that_is_missing_or_no_file_is_refused(
    secret_file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(SECRET.encode())
    path.unlink()
    check_refused(f"{NAME}_FILE", str(path), "cannot be read: No such file or directory")
    path.mkdir()
    check_refused(f"{NAME}_FILE", str(path), "cannot be read: Is a directory")


def test_F11_a_file_that_may_not_be_read_is_refused(secret_file: Callable[[bytes], Path]) -> None:
    path = secret_file(SECRET.encode())
    path.chmod(0)
    identity = os.geteuid()
    if identity == 0:  # root may read what it may not
        path.parent.chmod(0o700)
        os.seteuid(65534)
    try:
        check_refused(f"{NAME}_FILE", str(path), "cannot be read: Permission denied")
    finally:
        os.seteuid(identity)
