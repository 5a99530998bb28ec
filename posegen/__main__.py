"""``python -m posegen``, and the command ``posegen``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still imported ends without a word, exit code 130."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch on Linux: fewer page faults, by pages of 2 MB
    try:
        from posegen.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
