"""Who may do what: role × scope × action. This table is the document and the test (assertion B1).

A row: the role, the action, and "yes" where a grant of that role gives it. On what it gives it (guests, whole hosts,
whole tags, the whole site) is the scope's table below. What is not listed is refused; `test_matrix.py` fails when an
action or a role has no row here.
"""

from __future__ import annotations

from dataclasses import dataclass

# action       watcher  operator  administrator
ROLES = """
  see          yes      yes       yes
  watch        yes      yes       yes
  type         no       yes       yes
  power        no       yes       yes
  resize       no       yes       yes
  devices      no       no        yes
  migrate      no       no        yes
  create       no       no        yes
  take_over    no       no        yes
  storage      no       no        yes
  status       no       no        yes
  grant        no       no        yes
  audit        no       no        yes
  hosts        no       no        yes
  people       no       no        yes
"""

# Two hosts: alpha with `web` (tagged front) and `db`, beta with `far` (tagged front); `spare` is a tag of no guest.
# What the role gives, it gives on:
# scope of the grant | guests     | whole hosts | whole tags  | whole site | hosts seen
SCOPES = """
  everything         | web db far | alpha beta  | front spare | yes        | alpha beta
  host-alpha         | web db     | alpha       |             | no         | alpha
  tag-front          | web far    |             | front       | no         | alpha beta
  guest-web          | web        |             |             | no         | alpha
  nothing            |            |             |             | no         |
"""


@dataclass(frozen=True, slots=True)
class Covered:
    """What a grant of one scope reaches, by name. A whole host and a whole tag include guests that come later."""

    guests: set[str]
    whole_hosts: set[str]
    whole_tags: set[str]
    whole_site: bool
    hosts_seen: set[str]


def role_rows() -> dict[tuple[str, str], bool]:
    """{(role, action): allowed}."""
    rows = {}
    for line in ROLES.split("\n"):
        if words := line.split():
            action, *answers = words
            for role, answer in zip(("watcher", "operator", "administrator"), answers, strict=True):
                rows[role, action] = answer == "yes"
    return rows


def scope_rows() -> dict[str, Covered]:
    """{scope: what it reaches}."""
    rows = {}
    for line in SCOPES.strip().split("\n"):
        scope, guests, hosts, tags, site, seen = (cell.strip() for cell in line.split("|"))
        rows[scope] = Covered(
            set(guests.split()), set(hosts.split()), set(tags.split()), site == "yes", set(seen.split())
        )
    return rows
