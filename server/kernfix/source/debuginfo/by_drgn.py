"""Chains through drgn, in the same process: the quickest, and the only one that stays open."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from kernfix.source.debuginfo.elf import Image
from kernfix.source.debuginfo.layout import Part
from kernfix.source.debuginfo.model import Chain, Place, Reader, ReaderFailed


def installed() -> bool:
    """Whether drgn can be asked."""
    return importlib.util.find_spec("drgn") is not None


def open_drgn(image: Image, parts: dict[int, Part]) -> Reader | str:
    """A reader of `image`, or one sentence that says why drgn cannot read it."""
    import drgn  # an optional dependency, and slow to load

    flags = drgn.PlatformFlags(0)
    flags |= drgn.PlatformFlags.IS_64_BIT if image.bits == 64 else flags
    flags |= drgn.PlatformFlags.IS_LITTLE_ENDIAN if image.little else flags
    # Lines need nothing that is particular to a machine, so machines that drgn does not know do as well.
    program = drgn.Program(drgn.Platform(drgn.Architecture.UNKNOWN, flags))
    # Debug information of a file that no program runs is taken for a module only that is placed by hand.
    if image.relocatable:
        module = program.relocatable_module(image.path.name, 0, create=True)
        for part in parts.values():
            module.section_addresses[part.section] = part.start
    else:
        module = program.extra_module(image.path.name, create=True)
    module.address_range = (0, (1 << image.bits) - 1)
    try:
        module.try_file(image.path, force=True)
    except (OSError, ValueError) as error:
        return f"{image.path} cannot be read: {error}."
    if module.debug_file_status != drgn.ModuleFileStatus.HAVE:
        return f"{image.path} has debug information that drgn cannot read."
    moved, mask = module.debug_file_bias, (1 << image.bits) - 1

    def chain(address: int) -> Chain:
        try:
            places = program.source_location((address + moved) & mask)
            return tuple(
                Place(place.filename, place.line, place.column or None, place.name() or "") for place in places
            )
        except LookupError:
            return ()
        except Exception as error:  # drgn raises Exception itself for damaged debug information
            raise ReaderFailed(f"drgn cannot read {image.path}: {error}.") from error

    def chains(addresses: Sequence[int]) -> list[Chain]:
        return [chain(address) for address in addresses]

    return chains
