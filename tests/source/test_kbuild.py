"""What a source file is built into."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kernfix.source import Tree
from kernfix.source.kbuild import Kbuild, config_of, read_config, read_kbuild

FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nifeq ($(KBUILD_EXTMOD),)\nlibs-y := lib/\nendif\ninclude arch/$(SRCARCH)/Makefile\n",
    "Kbuild": "obj-y += arch/$(SRCARCH)/\nobj-y += kernel/ fs/\nobj-$(CONFIG_NET) += net/ # comment\nobj-y += drivers/\n",
    "arch/x86/Makefile": "core-y += arch/x86/math/\n",
    "arch/x86/Kbuild": "obj-y += kernel/\nobj-$(subst m,y,$(CONFIG_KVM)) += kvm/\n",
    "arch/x86/math/Makefile": "obj-y += add.o\n",
    "arch/x86/kernel/Makefile": "obj-y += head_$(BITS).o\n",
    "arch/x86/kvm/Makefile": "include $(srctree)/virt/Makefile.kvm\nkvm-y += x86.o mmu/mmu.o\nobj-$(CONFIG_KVM) += kvm.o\n"
    "kvm-intel-y := vmx/main.o\nobj-$(CONFIG_KVM_INTEL) += kvm-intel.o\n",
    "virt/Makefile.kvm": "KVM ?= ../../../virt\nkvm-y := $(KVM)/main.o\n",
    "arch/arm64/Makefile": "\n",
    "arch/arm64/Kbuild": "obj-y += kernel/\n",
    "arch/arm64/kernel/Makefile": "obj-y += entry.o\n",
    "kernel/Makefile": "obj-y = fork.o \\\n\texec.o\nobj-$(CONFIG_SMP) += smp.o\n"
    "ifdef CONFIG_DEBUG\nobj-y += debug.o\nelse\nobj-y += nodebug.o\nendif\n"
    "ifeq ($(CONFIG_A)$(CONFIG_B),yy)\nobj-y += both.o\nelse ifeq ($(CONFIG_A),y)\nobj-y += first.o\nendif\n"
    'ifneq "$(CONFIG_A)" ""\nobj-y += quoted.o\nendif\nifeq ($(shell date),x)\nobj-y += odd.o\nendif\n'
    "mmu-y := nommu.o\nmmu-$(CONFIG_MMU) := mmu.o\nobj-y += $(mmu-y)\n",
    "fs/Makefile": "obj-$(CONFIG_EXT) += ext/\n",
    "fs/ext/Makefile": "obj-m += wrong.o\n",
    "fs/ext/Kbuild": "obj-$(CONFIG_EXT) += my-ext.o\nmy-ext-objs := inode.o sub/tree.o\nmy-ext-$(CONFIG_ACL) += acl.o\n"
    "my-ext-y += $(addprefix deep/,one.o two.o) $(more:.c=.o) ${late}\nmore := x.c\nlate := y.o\nmy-ext-y += $(more:.c=.o) ${late}\n",
    "net/Makefile": "obj-$(CONFIG_WIFI) += wifi.o\n",
    "lib/Makefile": "lib-y := sort.o\nobj-y += ../etc/passwd.o ../../out.o /abs.o\nobj-y += ../../../\n",
    "drivers/Makefile": "obj-y += drivers/ ./ a/\n",
    "drivers/a/Makefile": "obj-y += ../a/ leaf.o\n",
}
CONFIG = (
    "# CONFIG_SMP is not set\nCONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_EXT=m\nCONFIG_ACL=y\nCONFIG_NET=y\nCONFIG_KVM=m\nCONFIG_A=y\n"
    'CONFIG_NAME="x y"\nCONFIG_MMU=y\n'
)


@pytest.fixture
def tree(make_tree: Callable[..., Tree]) -> Tree:
    return make_tree(FILES)


@pytest.fixture
def kbuild(tree: Tree) -> Kbuild:
    return read_kbuild(tree)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kernel/fork.c", True),
        ("kernel/exec.c", True),
        ("kernel/smp.c", False),
        ("kernel/debug.c", False),
        ("kernel/nodebug.c", True),
        ("kernel/both.c", False),
        ("kernel/first.c", True),
        ("kernel/quoted.c", True),
        ("kernel/odd.c", None),
        ("kernel/mmu.c", True),
        ("kernel/nommu.c", False),
        ("kernel/unnamed.c", None),
        ("kernel/fork.h", None),
        ("fs/ext/inode.c", True),
        ("fs/ext/acl.c", True),
        ("fs/ext/sub/tree.c", True),
        ("fs/ext/deep/two.c", True),
        ("fs/ext/x.c", True),
        ("fs/ext/y.c", True),
        ("fs/ext/wrong.c", None),
        ("net/wifi.c", False),
        ("lib/sort.c", True),
        ("arch/x86/math/add.c", True),
        ("arch/x86/kernel/head_64.S", True),
        ("arch/x86/kernel/head_32.S", False),
        ("arch/x86/kvm/mmu/mmu.c", True),
        ("arch/x86/kvm/vmx/main.c", False),
        ("virt/main.c", True),
        ("arch/arm64/kernel/entry.S", False),
        ("drivers/a/leaf.c", True),
        ("../out.c", None),
        ("/abs.c", None),
        ("", None),
    ],
)
def test_built(tree: Tree, kbuild: Kbuild, path: str, expected: bool | None) -> None:
    assert kbuild.built(path, read_config(CONFIG)) is expected


def test_what_it_is_built_into(kbuild: Kbuild) -> None:
    in_module = [each for each in kbuild.of("fs/ext/acl.c") if each.module]
    assert {(each.object, each.composite, each.module) for each in in_module} == {
        ("fs/ext/acl.o", "fs/ext/my-ext.o", "my_ext")
    }
    assert {each.symbols for each in in_module} == {frozenset({"CONFIG_EXT", "CONFIG_ACL"})}
    single = kbuild.of("kernel/fork.c")
    assert [(each.object, each.composite, each.module, each.symbols) for each in single] == [
        ("kernel/fork.o", None, None, frozenset())
    ]
    assert kbuild.of("include/ring.h") == ()


def test_modules(kbuild: Kbuild) -> None:
    assert kbuild.modules_of("virt/main.c") == {"kvm"}
    assert kbuild.modules_of("kernel/fork.c") == frozenset()
    assert kbuild.sources_of("kvm-intel") == kbuild.sources_of("kvm_intel") == {"arch/x86/kvm/vmx/main"}
    assert kbuild.sources_of("nosuch") == frozenset()


def test_config(tree: Tree) -> None:
    assert config_of(tree) is None
    (tree.root / ".config").write_text(CONFIG)
    config = config_of(tree)
    assert config is not None
    assert (config["CONFIG_EXT"], config["CONFIG_NAME"], "CONFIG_SMP" in config) == ("m", '"x y"', False)


def test_without_makefiles(make_tree: Callable[..., Tree]) -> None:
    assert read_kbuild(make_tree()).of("kernel/ring.c") == ()


def test_stopped(tree: Tree) -> None:
    assert read_kbuild(tree, stop=lambda: True).of("kernel/fork.c") == ()


@pytest.mark.parametrize(
    "text",
    [
        "obj-y += $(obj-y) $(obj-y)\n" * 200,
        "x = $(x) $(x)\nobj-y += $(x)\n" * 50,
        "a := 1 2 3 4 5 6 7 8 9\nobj-y += " + "$(a)" * 60 + "\n",
        "obj-y += " + "$(addprefix a," * 3000 + "\n",
        "obj-y += " + "(" * 50_000 + "\n",
        "include kernel/Makefile\n" * 20,
        "ifdef X\n" * 3000 + "obj-y += a.o\n",
        "else\nendif\nendif\nifeq (\nifeq\nobj-$( += a.o\n= x\n:= y\nobj-y\n",
        "obj-y += ../kernel/ ./ kernel/ " + "a/" * 3000 + "\n",
        "\0\udcff $(((",
    ],
)
def test_odd_makefiles_take_no_time(make_tree: Callable[..., Tree], text: str) -> None:
    tree = make_tree({**FILES, "kernel/Makefile": text.encode("utf-8", "surrogateescape")})
    begin = time.process_time()
    kbuild = read_kbuild(tree)
    assert time.process_time() - begin < 5
    assert kbuild.built("fs/ext/inode.c", read_config(CONFIG)) is True
