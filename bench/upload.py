"""A file uploaded into a pool of a real libvirt host: how fast, and what every process holds meanwhile.

usage: python -m bench.upload [--gib 2]

The lab's host and a running product (web, console server, host worker), asked as the page asks: in pieces of
8 MiB, one after the other. The file is random bytes made as they are sent; the host's volume is compared with their
digest at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import re
import sys
import time
import urllib.parse

from bench.vnc_relay import pss_kib
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import WebSession

PIECE = 8 * 1024 * 1024
GIB = 1024**3


class Uploader:
    """One signed-in person, over one connection that stays open."""

    def __init__(self, product: Product) -> None:
        self.session = WebSession(product.url, "admin", product.admin_password)
        place = urllib.parse.urlsplit(product.url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        self._headers = {"Origin": product.url, "Referer": f"{product.url}/", "Accept": "application/json"}

    def ask(self, method: str, path: str, body: bytes, kind: str) -> dict[str, str]:
        cookies = self.session.cookies
        token = re.search(r"guesthouse_csrf=([^;]+)", cookies)
        assert token is not None
        headers = {**self._headers, "Cookie": cookies, "X-CSRFToken": token[1], "Content-Type": kind}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        told = answer.read()
        assert answer.status == 200, (answer.status, told[:300])
        return dict(json.loads(told))

    def form(self, path: str, **fields: str) -> dict[str, str]:
        return self.ask("POST", path, urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded")


def pool_path(session: WebSession, name: str) -> str:
    """The page of a pool, once the worker has seen it."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if found := re.search(rf'href="(/storage/\d+/)"[^>]*>\s*(?:<bdi>)?{name}', session.get("/storage/")):
            return found[1]
        time.sleep(0.5)
    raise TimeoutError(f"no pool {name} in /storage/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2)
    total = int(parser.parse_args().gib * GIB)
    lab = Lab()
    product = None
    try:
        directory = lab.pool("bench")
        product = Product({"lab": lab.uri})
        uploader = Uploader(product)
        path = pool_path(uploader.session, "bench")
        begun = uploader.form(f"{path}upload/", name="big.img", size=str(total), fingerprint="0" * 64, format="raw")
        here, sent, digest, source = f"/storage/uploads/{begun['upload']}/", 0, hashlib.sha256(), random.Random(6)
        libvirtd = lab.libvirtd
        pids = {**product.pids, **({"libvirtd": libvirtd.pid} if libvirtd else {})}
        first: dict[str, int] = {}
        most: dict[str, int] = {}
        began = time.monotonic()
        while sent < total:
            piece = source.randbytes(min(PIECE, total - sent))
            digest.update(piece)
            uploader.ask("PUT", f"{here}?offset={sent}", piece, "application/octet-stream")
            sent += len(piece)
            if sent == 2 * PIECE:  # what every first piece needs is loaded by now
                first = {name: pss_kib([pid]) for name, pid in pids.items()}
            elif first:
                most = {name: max(most.get(name, 0), pss_kib([pid])) for name, pid in pids.items()}
        took = time.monotonic() - began
        uploader.form(f"{here}finish/")
        there = hashlib.sha256()
        with (directory / "big.img").open("rb") as volume:
            while block := volume.read(1 << 20):
                there.update(block)
        assert there.digest() == digest.digest(), "the host has something else"
        print(f"{total / GIB:g} GiB in {took:.1f} s: {total / took / 2**20:.0f} MiB/s; load {os.getloadavg()[0]:.1f}")
        grown = {name: most[name] - first[name] for name in pids}
        for name in pids:
            print(f"{name}: {first[name] / 1024:.1f} MiB after two pieces, at most {grown[name] / 1024:+.1f} MiB later")
        return 0 if all(kib < 16 * 1024 for kib in grown.values()) else 1
    finally:
        if product is not None:
            product.close()
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
