"""Install everything into ``.venv``: for ``make setup``, with nothing but Python's own library.

The installer comes first (by hash, with pip), then every locked package (by hash, with the installer), then the
project itself, editable. Indexes, proxies and certificates that are configured for pip are handed on to the installer,
which reads no configuration of pip's.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
VENV: Final = ROOT / ".venv"
PYTHON: Final = VENV / "bin" / "python"

_FOR_INSTALLER: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


class SetupError(Exception):
    """A step could not be done; the message says what to do."""


def main() -> None:
    """Do all steps, saying each; exit code 1 and one clear message when one fails."""
    started = time.monotonic()
    try:
        _step(1, "a virtual environment in .venv", make_environment)
        _step(2, "the installer", install_installer)
        _step(3, "the packages of requirements.lock (about 1 GB on disk)", install_packages)
        _step(4, "Trunkline itself", install_project)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    print(f"setup: done in {time.monotonic() - started:.0f} s", flush=True)


def _step(number: int, what: str, do: Callable[[], None]) -> None:
    print(f"setup: [{number}/4] {what}", flush=True)
    do()


def make_environment() -> None:
    """A virtual environment of this Python, with pip where that can be had."""
    if PYTHON.exists() and _run(
        [PYTHON, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"]
    ):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if _run([sys.executable, "-m", "venv", VENV], quiet=True):
        return
    # Debian and Ubuntu leave pip's seed out of Python; a pip of the system's can stand in for it.
    shutil.rmtree(VENV, ignore_errors=True)
    if _run([sys.executable, "-m", "venv", "--without-pip", VENV], quiet=True) and _outer_pip():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise SetupError(
        f"{sys.executable} cannot make a virtual environment. "
        f"On Debian or Ubuntu: apt install python{version}-venv; elsewhere install Python's venv and ensurepip. "
        "Or name another Python: make PYTHON=/path/to/python3 setup"
    )


def _outer_pip() -> bool:
    return _run([sys.executable, "-m", "pip", "--python", PYTHON, "--version"], quiet=True)


def install_installer() -> None:
    arguments = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    if not _run([*_pip(), *arguments, "-r", ROOT / "requirements-setup.lock"]):
        raise SetupError("the installer could not be installed: is a package registry in reach?")


def _pip() -> list[str | Path]:
    own = _run([PYTHON, "-m", "pip", "--version"], quiet=True)
    return [PYTHON, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", PYTHON]


def install_packages() -> None:
    lock = ROOT / "requirements.lock"
    if not _run([*_installer(), "sync", "--require-hashes", "--compile-bytecode", lock], installer_environment()):
        raise SetupError("the packages could not be installed: see the message above, then run `make setup` again")


def install_project() -> None:
    # As a plain path: setuptools' import hooks would cost every call's process time and memory.
    plain = ["--no-deps", "--no-build-isolation", "--config-settings", "editable_mode=compat"]
    if not _run([*_installer(), "install", *plain, "--editable", ROOT], installer_environment()):
        raise SetupError("the project itself could not be installed: see the message above")


def _installer() -> list[str | Path]:
    return [PYTHON, "-m", "uv", "pip"]


def installer_environment() -> dict[str, str]:
    """This process's environment, with what is configured for pip under the installer's names."""
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    listed = subprocess.run(
        [*_pip(), "config", "list"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return {**installer_variables(listed), **environment}


def installer_variables(listed: Sequence[str]) -> dict[str, str]:
    """The installer's variables for what ``pip config list`` printed (``key='value'`` lines, as Python writes them).

    A value from the environment wins over one from a file.
    """
    found: dict[str, str] = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        key, separator, value = line.partition("=")
        variable = _FOR_INSTALLER.get(key.rpartition(".")[2])
        if separator and variable and (words := str(ast.literal_eval(value)).split()):
            found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does; the hashes keep it safe
    return found


def _run(command: Sequence[str | Path], environment: dict[str, str] | None = None, *, quiet: bool = False) -> bool:
    """Whether it ended well."""
    to = subprocess.DEVNULL if quiet else None
    return subprocess.run(list(command), env=environment, cwd=ROOT, stdout=to, stderr=to, check=False).returncode == 0


if __name__ == "__main__":
    main()
