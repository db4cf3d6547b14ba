"""Pools and volumes that somebody may work with: those of hosts of which they are administrator as a whole."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from guests.access.decisions import Action, User, hosts_held
from guests.inventory.storage import Pool, Volume


def pools_held(user: User) -> QuerySet[Pool]:
    """In one query, with their hosts."""
    return Pool.objects.filter(host__in=hosts_held(user, Action.STORAGE)).select_related("host")


def pool_for(user: User, pool_id: int) -> Pool:
    """One of them; 404 for any other, as for an id that never was."""
    pool = pools_held(user).filter(pk=pool_id).first()
    if pool is None:
        raise Http404(_("No such pool."))
    return pool


def volume_for(user: User, volume_id: int) -> Volume:
    """One volume of one of them, with pool and host; 404 for any other."""
    hosts = hosts_held(user, Action.STORAGE)
    volume = Volume.objects.filter(pool__host__in=hosts, pk=volume_id).select_related("pool__host").first()
    if volume is None:
        raise Http404(_("No such volume."))
    return volume
