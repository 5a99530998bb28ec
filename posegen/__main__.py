"""``python -m posegen``."""

from posegen.cli.main import main

main()
