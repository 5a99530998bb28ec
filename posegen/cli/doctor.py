"""``posegen doctor``: what to paste in a bug report."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions, devices, plugins, assets and disk space, as a bug report needs them."""
    from posegen import doctor as examination
    from posegen.cli import screen

    report = examination.environment()
    if json:
        screen.data(report)
        return
    for section, facts in report.items():
        screen.out().print(section, style="bold")
        screen.table(("", ""), [(f"  {name}", str(value)) for name, value in facts.items()], header=False)
