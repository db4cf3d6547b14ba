"""Command line of the demo host: python3 -m deploy.demo up|down|stop|start|status|uri."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from deploy.demo import place
from deploy.demo.host import DemoHost, DemoHostError, demo_host
from deploy.demo.image import see_to_image

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Do what was asked; 1 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python3 -m deploy.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "stop", "start", "status", "uri"])
    parser.add_argument(
        "--data-dir", type=Path, default=Path(os.environ.get("GUESTHOUSE_DATA_DIR") or REPOSITORY / "var")
    )
    arguments = parser.parse_args()
    data_dir: Path = arguments.data_dir.resolve()
    host = demo_host(place.demo_directory(data_dir))
    try:
        act(arguments.command, data_dir, host)
    except (DemoHostError, PermissionError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd))}: {(error.stderr or '').strip()}", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as error:
        print(f"{error.cmd} did not end within {error.timeout:.0f} s.", file=sys.stderr)
        return 1
    return 0


def act(command: str, data_dir: Path, host: DemoHost) -> None:
    """One command."""
    match command:
        case "up":
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            host.up(see_to_image(data_dir / "guest-image"))
            host.see_to_pool()
            place.link_from(data_dir, host.directory)
            print(host.uri)
        case "down":
            host.down()
            place.remove(data_dir, host.directory)
        case "stop":
            host.stop()
        case "start":
            host.start()
        case "uri":
            print(host.uri)
        case "status":
            if not host.is_up():
                print("The demo host is down.")
            elif host.libvirtd() is None:
                print("The demo host's libvirtd is stopped; its guests run on.")
            else:
                print(host.uri)
                print(host.virsh("list", "--all").rstrip())


if __name__ == "__main__":
    sys.exit(main())
