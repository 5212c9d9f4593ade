"""Files that are made from other files: whether they are what they would be made to, or make them anew.

``python -m ops.generated`` checks, ``python -m ops.generated --write`` writes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops import settings_text
from ops.bench import readme
from ops.deploy_files import deploy_files
from ops.jobs.catalogue import catalogue

ROOT: Final = Path(__file__).resolve().parents[1]
PROTO: Final = Path("engine/speech/trunkline_speech.proto")
LOCKS: Final = ("requirements.lock", "requirements-setup.lock")
_HOST: Final = re.compile(r"://|^\s*--(?:extra-)?index-url|^\s*--find-links|^-i ")


def contents() -> dict[Path, str]:
    """What each generated file should hold, by its path from the root."""
    return {
        Path("docs/settings.md"): settings_text.markdown(),
        Path(".env.example"): settings_text.environment_file(),
        Path("README.md"): readme.with_numbers((ROOT / "README.md").read_text("utf-8"), ROOT),
        **deploy_files(catalogue().jobs),
        **_protocol(),
    }


def _protocol() -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT), *outputs, str(ROOT / PROTO)]
        subprocess.run(command, check=True)
        return {
            made.relative_to(folder): made.read_text()
            for made in sorted(Path(folder).rglob("*"))
            if made.suffix in {".py", ".pyi"}
        }


def stale(made: dict[Path, str], root: Path = ROOT) -> Iterator[Path]:
    """Files that are missing or hold something else."""
    for path, text in made.items():
        file = root / path
        if not file.is_file() or file.read_text() != text:
            yield path


def lines_with_hosts(root: Path = ROOT) -> Iterator[str]:
    """Lines of the lock files that name a registry: a lock must serve whatever registry its reader has."""
    for name in LOCKS:
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            if _HOST.search(line):
                yield f"{name}:{number}: {line.strip()}"


def main() -> None:
    made = contents()
    if "--write" in sys.argv[1:]:
        for path in stale(made):
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(made[path])
            print(f"wrote {path}")
        return
    faults = [f"{path} is not up to date: run `python -m ops.generated --write`" for path in stale(made)]
    faults += [f"a lock names a registry: {line}" for line in lines_with_hosts()]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
