"""vera-worker:latest without a registry: worker/Dockerfile on a base image of Debian packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import DockerException

from tests.services.errors import ServiceFailed
from tests.services.packages import update_lists

IMAGE = "vera-worker:latest"
BASE = "vera-worker-base"
WORKER = Path(__file__).parents[2] / "worker"
PACKAGES = ["python3", "bash", "coreutils", "dash"]
# as on an installed Debian; packages of older releases put files into the links
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def make_image(host: str) -> bool:
    """Build the image where the engine at this address lacks it, in some 6 s; return whether it did."""
    try:
        with closing(APIClient(base_url=host, version="auto", timeout=120)) as client:
            if client.images(IMAGE):  # pyright: ignore[reportUnknownMemberType]
                return False
            if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
                raise ServiceFailed(f"no apt-get to make its base image of: docker build -t {IMAGE} worker")
            with tempfile.TemporaryDirectory(prefix="vera-image-") as folder:
                _build(client, _base(Path(folder)))
    except DockerException as error:
        raise ServiceFailed(f"Docker refuses it: {error}") from error
    return True


def _build(client: Any, base: Path) -> None:
    client.import_image_from_file(str(base), repository=BASE, tag="latest")
    arguments = {"BASE_IMAGE": f"{BASE}:latest"}
    said: list[str] = []
    steps = client.build(path=str(WORKER), tag=IMAGE, buildargs=arguments, network_mode="none", rm=True, decode=True)
    for step in steps:
        said.append(str(step.get("stream", "")))
        if "error" in step:
            raise ServiceFailed(f"{step['error']}\n{''.join(said)}")


def _base(folder: Path) -> Path:
    """Return an archive of the root of a Debian with no more than the packages and what they depend on."""
    archives, root = folder / "archives", folder / "root"
    (archives / "partial").mkdir(parents=True)
    nothing = folder / "status"
    nothing.touch()  # apt takes it that nothing is installed yet, and finds all that is needed
    options = {
        "Dir::State::status": nothing,
        "Dir::Cache::archives": archives,
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    download(["apt-get", *given, "install", "-q", "-y", "--no-install-recommends", "--download-only", *PACKAGES])
    for link, target in LINKS.items():
        (root / target).mkdir(parents=True)
        (root / link).symlink_to(target)
    for archive in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(root)])
    _fill_in(root)
    _run(["tar", "-C", str(root), "--numeric-owner", "--owner=0", "--group=0", "-cf", str(folder / "base.tar"), "."])
    return folder / "base.tar"


def download(command: list[str]) -> None:
    """Run apt; where it fails for root, once more with new lists, as there may be none, or old ones."""
    try:
        _run(command)
    except ServiceFailed as error:
        if os.geteuid() != 0:
            raise ServiceFailed(f"{error}\nIf apt knows no packages: apt-get update") from error
        update_lists()
        _run(command)


def _fill_in(root: Path) -> None:
    """Make what the packages would make when they are configured."""
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ServiceFailed(f"{command[0]} failed: {ended.stderr.strip() or ended.stdout.strip()}")
