"""Who may do what: role × scope × action. This table is the document and the test (assertion B1).

A row: the role, the action, and "yes" where a grant of that role gives it. On which guests it gives it is the scope's
table below. What is not listed is refused; `test_matrix.py` fails when an action or a role has no row here.
"""

from __future__ import annotations

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

# Two hosts: alpha with `web` (tagged front) and `db`, beta with `far` (tagged front).
# scope of the grant   guests it covers   hosts seen    acts on the whole site
SCOPES = """
  everything           web db far         alpha beta    yes
  host-alpha           web db             alpha         no
  tag-front            web far            alpha beta    no
  guest-web            web                alpha         no
  nothing              -                  -             no
"""


def role_rows() -> dict[tuple[str, str], bool]:
    """{(role, action): allowed}."""
    rows = {}
    for line in ROLES.split("\n"):
        if words := line.split():
            action, *answers = words
            for role, answer in zip(("watcher", "operator", "administrator"), answers, strict=True):
                rows[role, action] = answer == "yes"
    return rows


def scope_rows() -> dict[str, tuple[set[str], set[str], bool]]:
    """{scope: (guests, hosts, whole site)}."""
    rows = {}
    for line in SCOPES.split("\n"):
        if words := line.split():
            scope, site = words[0], words[-1]
            rest = set(words[1:-1]) - {"-"}
            rows[scope] = (rest & {"web", "db", "far"}, rest & {"alpha", "beta"}, site == "yes")
    return rows
