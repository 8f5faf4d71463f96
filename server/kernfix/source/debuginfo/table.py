"""Symbols by name, with sizes as a running kernel counts them."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache

from kernfix.source.debuginfo.model import Query

_PAGE = 4096
"""The smallest page of any machine."""


class Table:
    """Where symbols are: `find` gives the addresses of a name, `addresses` those of all names and where stretches of code end."""

    def __init__(self, find: Callable[[str], Iterable[int]], addresses: Iterable[int]) -> None:
        self._find = lru_cache(maxsize=65_536)(lambda name: tuple(set(find(name))))
        self._sorted = sorted(set(addresses))

    @classmethod
    def of(cls, symbols: Iterable[tuple[str, int]]) -> Table:
        """A table of some names and addresses."""
        known: dict[str, list[int]] = defaultdict(list)
        for name, address in symbols:
            known[name].append(address)
        return cls(lambda name: known.get(name, ()), (address for each in known.values() for address in each))

    def __len__(self) -> int:
        return len(self._sorted)

    def knows(self, name: str, size: int) -> bool:
        """Whether there is such a symbol of that size."""
        return any(self._size(address) == size for address in self._find(name))

    def addresses(self, query: Query) -> list[int]:
        """Where `query` can be, ascending: more than one address where several symbols have the name and size.

        A return address is taken one byte earlier, inside the call: the next instruction may belong to another line or function.
        """
        found = set()
        for address in self._find(query.function):
            size = self._size(address)
            page = query.address is None or (address + query.offset - query.address) % _PAGE == 0
            if query.size in (None, size) and 0 <= query.offset <= size and page:
                found.add(address + query.offset - (query.returns and query.offset > 0))
        return sorted(found)

    def _size(self, address: int) -> int:
        """Bytes to the next symbol, which is what a report calls a function's size (get_symbol_pos in kernel/kallsyms.c)."""
        after = bisect.bisect_right(self._sorted, address)
        return self._sorted[after] - address if after < len(self._sorted) else 0
