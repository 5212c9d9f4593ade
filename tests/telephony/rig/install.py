"""Unpacks Asterisk and SIPp from the distribution's own packages into a cache folder.

Nothing of the system changes: packages are downloaded by ``apt-get`` with a state of its own, unpacked without their
maintainer scripts, and run through the unpacked dynamic loader with the unpacked libraries. No root is needed.
Debian's stable releases carry no Asterisk, so on Debian the packages are those of sid; elsewhere in the family the
machine's own sources are asked.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGES: Final = ("asterisk", "sip-tester")
"""What is asked for; the closure of their dependencies follows."""

RECIPE: Final = 1
"""Raised whenever an unpacked root of an older recipe would not do."""

_DEBIAN_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LEFT_OUT: Final = ("doc", "man", "locale", "info", "lintian", "bash-completion")
_URL: Final = re.compile(r"\b(?:https?|ftp|mirror\+?\w*)://?\S+|\b(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?\b")


class CannotInstallError(Exception):
    """The telephony rig could not be installed; the message says why.

    ``capable`` tells whether this machine has what an installation needs, so that the failure is worth looking into.
    """

    def __init__(self, message: str, *, capable: bool) -> None:
        super().__init__(message)
        self.capable = capable


@dataclass(frozen=True, slots=True)
class Installation:
    """An unpacked root with Asterisk and SIPp in it."""

    root: Path
    versions: Mapping[str, str]
    """Package → version."""
    seconds: float
    """How long the installation took; 0 when the cache held it."""

    @property
    def libraries(self) -> Path:
        """The folder of the shared libraries."""
        return next(self.root.glob("usr/lib/*/asterisk/modules")).parent.parent

    @property
    def modules(self) -> Path:
        """Asterisk's modules."""
        return self.libraries / "asterisk" / "modules"

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs ``program`` (a path inside the root, such as ``usr/sbin/asterisk``)."""
        loader = next(iter(sorted(self.libraries.glob("ld-linux*.so.*")) or sorted(self.root.glob("lib*/ld-linux*"))))
        return [str(loader), "--library-path", str(self.libraries), str(self.root / program), *arguments]


def cache_folder() -> Path:
    """Where the rig is kept: ``TRUNKLINE_RIG_DIR``, else below the user's cache."""
    named = os.environ.get("TRUNKLINE_RIG_DIR")
    return Path(named) if named else Path.home() / ".cache" / "trunkline" / "telephony-rig"


def ensure_installed(folder: Path | None = None) -> Installation:
    """The installed rig, installing it first where the cache does not hold it.

    Raises CannotInstallError.
    """
    folder = folder or cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotInstallError(f"{folder}: {error.strerror}", capable=False) from error
    with _locked(folder / "lock"):
        held = _held(folder)
        return held or _install(folder)


def _held(folder: Path) -> Installation | None:
    try:
        stamp = json.loads((folder / "stamp.json").read_text())
    except (OSError, ValueError):
        return None
    if stamp.get("recipe") != RECIPE or stamp.get("packages") != list(PACKAGES):
        return None
    return Installation(folder / "root", stamp["versions"], 0.0)


def _install(folder: Path) -> Installation:
    began = time.monotonic()
    _check_machine()
    shutil.rmtree(folder / "root", ignore_errors=True)
    (folder / "stamp.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="trunkline-rig-", dir=folder) as work:
        archives = _download(Path(work))
        fresh = Path(work) / "root"
        versions = dict(_unpack(archives, fresh))
        fresh.rename(folder / "root")
    stamp = {"recipe": RECIPE, "packages": list(PACKAGES), "versions": versions}
    (folder / "stamp.json").write_text(json.dumps(stamp, indent=1))
    return Installation(folder / "root", versions, time.monotonic() - began)


def _check_machine() -> None:
    if sys.platform != "linux":
        raise CannotInstallError(f"needs Linux, this is {sys.platform}", capable=False)
    missing = [tool for tool in ("apt-get", "dpkg-deb", "tar") if not shutil.which(tool)]
    if missing:
        raise CannotInstallError(f"needs Debian or Ubuntu: no {', '.join(missing)} here", capable=False)


def _download(work: Path) -> list[Path]:
    for part in ("lists/partial", "cache/archives/partial", "preferences", "no-sources"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    settings = {
        "Dir::Etc::preferencesparts": work / "preferences",
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Cache::archives": work / "cache" / "archives",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "APT::Keep-Downloaded-Packages": "true",
        "Debug::NoLocking": "true",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
    }
    if _distribution() == "debian":
        keyring = f"[signed-by={_DEBIAN_KEYRING}] " if _DEBIAN_KEYRING.exists() else ""
        (work / "sources.list").write_text(f"deb {keyring}{debian_mirror()} sid main\n")
        settings |= {"Dir::Etc::sourcelist": work / "sources.list", "Dir::Etc::sourceparts": work / "no-sources"}
    (work / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}
    _run(["apt-get", "-qq", "update"], environment, "the package index could not be had")
    _run(
        ["apt-get", "-y", "-qq", "--download-only", "-o", "Dpkg::Use-Pty=0", "install", *PACKAGES],
        environment,
        f"{' and '.join(PACKAGES)} could not be downloaded",
    )
    return sorted((work / "cache" / "archives").glob("*.deb"))


def _unpack(archives: list[Path], root: Path) -> Iterator[tuple[str, str]]:
    """Unpack every archive; yields name and version of the packages asked for."""
    for part in ("bin", "sbin", "lib", "lib64"):  # before any archive brings a folder of that name
        (root / "usr" / part).mkdir(parents=True)
        (root / part).symlink_to(f"usr/{part}")
    left_out = [f"--exclude=./usr/share/{part}" for part in _LEFT_OUT]
    for archive in archives:
        name, version, _ = archive.name.split("_", 2)
        if name in PACKAGES:
            yield name, version.replace("%3a", ":")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as source:
            unpacking = subprocess.run(
                ["tar", "-x", "-C", str(root), "--keep-directory-symlink", "--no-same-owner", *left_out],
                stdin=source.stdout,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        if unpacking.returncode or source.returncode:
            raise CannotInstallError(f"{archive.name} did not unpack: {unpacking.stderr[-300:]}", capable=True)
        archive.unlink()


def _distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].strip('"') for line in lines if line.startswith("ID=")), "")


def debian_mirror(apt: Path = Path("/etc/apt")) -> str:
    """The machine's own Debian mirror, from whichever form its sources have. Raises CannotInstallError."""
    folder = apt / "sources.list.d"
    for path in sorted(folder.glob("*.sources")):
        for stanza in path.read_text().split("\n\n"):
            fields = {
                line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip()
                for line in stanza.splitlines()
                if ":" in line and not line.startswith(("#", " "))
            }
            uri = fields.get("uris", "").split(" ")[0]
            if _carries_debian(uri, fields.get("suites", "")):
                return uri
    for path in [apt / "sources.list", *sorted(folder.glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else ():
            found = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s", line)
            if found and _carries_debian(found[1], found[2]):
                return found[1]
    raise CannotInstallError("no Debian mirror among the machine's apt sources", capable=False)


def _carries_debian(uri: str, suites: str) -> bool:
    return uri.rstrip("/").endswith(("/debian", "/debian.list")) and "-security" not in suites


def _run(command: list[str], environment: dict[str, str], failing: str) -> None:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotInstallError(f"{failing}: not within {error.timeout:.0f} s", capable=True) from error
    if done.returncode:  # the addresses of the machine's mirrors are its own affair
        said = _URL.sub("…", " ".join(done.stdout.split()))[-400:]
        raise CannotInstallError(f"{failing}: {said}", capable=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        installed = ensure_installed()
    except CannotInstallError as reason:
        sys.exit(f"could not install: {reason}")
    held = ", ".join(f"{name} {version}" for name, version in sorted(installed.versions.items()))
    print(f"{installed.root}: {held} ({installed.seconds:.0f} s)")
