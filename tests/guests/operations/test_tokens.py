"""B7 for tokens: what was asked with one is checked again with it when the worker begins, before libvirt is called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import AbstractBaseUser, User
from django.utils import timezone

from guests.access.tokens import Ability, APIToken, bearer, find_token, make_token, revoke_token
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml

RUNNING, PAUSED = 1, 3  # virDomainState


def came_with_a_token(owner: User) -> tuple[AbstractBaseUser, APIToken]:
    _made, secret = make_token(owner, new_key(), Ability.OPERATE, timezone.now() + timedelta(days=1))
    token = find_token(secret)
    assert token is not None
    return bearer(token), token


def test_what_a_token_asked_for_is_done_in_its_name(worker: RunningWorker, admin: User) -> None:
    came, token = came_with_a_token(admin)
    asked = ask("pause", row("web-1"), by=came, key=new_key())
    assert wait_for_end(asked, 15).state == "done"
    assert domain(worker, "web-1").info()[0] == PAUSED
    lines = AuditRecord.objects.filter(action__startswith="guest.pause").order_by("id")
    assert [line.action for line in lines] == ["guest.pause", "guest.pause.ended"]
    assert {line.detail["with_token"] for line in lines} == {str(token)}


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled", "deleted"])
def test_a_token_that_ends_between_asking_and_running_denies_and_leaves_libvirt_alone(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, admin: User, end: str
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    came, token = came_with_a_token(admin)
    asked = ask("pause", row("web-1"), by=came, key=new_key())
    if end == "revoked":
        revoke_token(token, by=admin)
    elif end == "expired":
        APIToken.objects.update(expires_at=timezone.now())
    elif end == "disabled":
        User.objects.update(is_active=False)
    else:
        admin.delete()
    second = start_worker({"alpha": host_xml.uri})
    assert wait_for_end(asked, 15).state == "denied"
    assert domain(second, "web-1").info()[0] == RUNNING
