"""A table of which no number is cut."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

ANY = 10_000  # columns: more than any terminal has


class UncutTable(Table):
    """As wide as its words, however narrow the terminal, which then breaks its lines: half a number is another one."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            texts = [Text.from_markup(str(cell)).plain for cell in (column.header, *column.cells)]
            parts = [part for text in texts for part in ([text] if column.no_wrap else text.split())]
            column.min_width = max(map(len, parts), default=0)
        needed = self.__rich_measure__(console, options.update(max_width=ANY)).minimum
        yield from super().__rich_console__(console, options.update(max_width=max(needed, options.max_width)))
