"""``python -m posegen``, and the command ``posegen``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still imported ends without a word, exit code 130."""
    try:
        from posegen.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
