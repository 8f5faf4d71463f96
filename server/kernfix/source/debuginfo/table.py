"""Symbols by name, with sizes as a running kernel counts them."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property

from kernfix.source.debuginfo.model import Query

_PAGE = 4096
"""The smallest page of any machine."""


class Table:
    """The addresses of names, each beside its name. `ends` are those where a stretch of code ends, which ends its last function, too."""

    def __init__(self, names: Sequence[bytes], addresses: Sequence[int], ends: Iterable[int] = ()) -> None:
        # Nearly all names have one address: numbers, unlike lists of them, cost the garbage collector nothing.
        self._first = dict(zip(names, addresses, strict=True))
        self._others: dict[bytes, list[int]] = defaultdict(list)
        if len(self._first) < len(names):
            for name, address in zip(names, addresses, strict=True):
                if address != self._first[name]:
                    self._others[name].append(address)
        self._sorted = sorted((*ends, *addresses))  # the linker wrote long runs in order, which a set would stir up

    @cached_property
    def _clones(self) -> dict[bytes, list[bytes]]:
        """Full names by what is printed of them: all but what link-time optimisation appends (cleanup_symbol_name in kernel/kallsyms.c)."""
        clones: dict[bytes, list[bytes]] = defaultdict(list)
        for name in self._first:
            if b".llvm." in name:
                clones[name.partition(b".llvm.")[0]].append(name)
        return clones

    def __len__(self) -> int:
        return len(self._first)

    def find(self, name: str) -> set[int]:
        """Where the symbols of that name are."""
        printed = name.encode("utf-8", "replace")
        full = (printed,) if printed in self._first else self._clones.get(printed, ())
        return {at for each in full for at in (self._first[each], *self._others.get(each, ()))}

    def knows(self, name: str, size: int) -> bool:
        """Whether there is such a symbol of that size."""
        return any(self._size(address) == size for address in self.find(name))

    def addresses(self, query: Query) -> list[int]:
        """Where `query` can be, ascending: more than one address where several symbols have the name and size.

        A return address is taken one byte earlier, inside the call: the next instruction may belong to another line or function.
        """
        found = set()
        for address in self.find(query.function):
            size = self._size(address)
            page = query.address is None or (address + query.offset - query.address) % _PAGE == 0
            if query.size in (None, size) and 0 <= query.offset <= size and page:
                found.add(address + query.offset - (query.returns and query.offset > 0))
        return sorted(found)

    def _size(self, address: int) -> int:
        """Bytes to the next symbol, which is what a report calls a function's size (get_symbol_pos in kernel/kallsyms.c)."""
        after = bisect.bisect_right(self._sorted, address)
        return self._sorted[after] - address if after < len(self._sorted) else 0
