# The two commands that matter are `make demo` and `make test`: each does all of its own set-up on a fresh Debian 12.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin

# What a kernel build, a guest and the tests need of Debian, without recommended packages.
PACKAGES := python3 python3-venv git gcc make flex bison bc libc6-dev libelf-dev binutils xz-utils cpio \
            busybox-static qemu-system-x86 ccache bubblewrap linux-source-6.12

.PHONY: demo test quick lint format bench bench-source score fuzz setup packages clean help

help:
	@echo 'make demo    the whole loop on a real kernel: crash, code, fix, verdict'
	@echo 'make test    all checks and tests that this machine allows'
	@echo 'make quick   the same without real kernels and editors'
	@echo 'make lint    ruff and mypy; make format rewrites'
	@echo 'make bench   measurements, as ratios against a named peer'
	@echo 'make bench-source TREE=LINUX VMLINUX=FILE OLDER=LINUX   how well and how fast code is found; VMLINUX was built from TREE'
	@echo 'make score   how well and how fast crashes are read; CORPUS=FOLDER names another corpus'
	@echo 'make fuzz    feeds the parser what breaks parsers for SECONDS=600'

demo: setup
	$(BIN)/kernfix demo $(DEMO)

test: setup lint
	$(BIN)/python -m pytest $(TESTS)

quick: $(VENV)/.ready lint
	$(BIN)/python -m pytest -m 'not kernel and not editor' $(TESTS)

lint: $(VENV)/.ready
	$(BIN)/ruff check server tests
	$(BIN)/ruff format --check server tests
	$(BIN)/mypy

format: $(VENV)/.ready
	$(BIN)/ruff check --fix server tests
	$(BIN)/ruff format server tests

bench: setup
	$(BIN)/python tests/bench/lsp_start.py
	$(BIN)/python tests/bench/parse.py

bench-source: setup
	@[ -n "$(TREE)" ] && [ -n "$(VMLINUX)" ] && [ -n "$(OLDER)" ] || \
	    { echo 'make bench-source TREE=LINUX VMLINUX=FILE OLDER=LINUX: a tree, the vmlinux built from it, and an older tree'; exit 2; }
	$(BIN)/python tests/bench/source $(TREE) $(VMLINUX) $(OLDER)

score: $(VENV)/.ready
	$(BIN)/python tests/score/crashes.py $(CORPUS)

SECONDS := 600
fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/crash.py -max_total_time=$(SECONDS)

setup: packages $(VENV)/.ready

# Asks dpkg first, so that a machine that has everything needs neither root nor the network. What cannot be installed is said, and the
# tests that need it skip.
packages:
	@missing=$$(for p in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$missing" ] && exit 0; \
	sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
	echo "installing Debian packages:" $$missing; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null \
	    || echo "WARNING: could not install:" $$missing "(kernfix doctor says what will not work)"

# python3 before 3.11 is refused by pip itself, from pyproject.toml.
$(VENV)/.ready: pyproject.toml | packages
	@echo "making the virtual environment $(VENV) ..."
	python3 -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.fuzz: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
