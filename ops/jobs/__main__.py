"""``python -m ops.jobs NAME``."""

from __future__ import annotations

import sys

from ops.jobs.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
