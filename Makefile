# make demo    install into .venv and run the main job, end to end
# make test    install what developers need, check the code and run all tests
# make check   ruff and mypy only
# make fuzz    run the property tests on many new cases
# make lowest  run the tests with the oldest versions that pyproject.toml allows (but for torch)
# make bench   make the benchmark page anew from the committed results
# make picture make the README's picture anew
# make clean   remove what these have made
#
# Needs Python 3.11 or newer with its venv module, and nothing else.

PYTHON ?= python3
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt

.PHONY: demo test check fuzz lowest bench picture clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/countception demo -o demo

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/.installed-dev
	HYPOTHESIS_PROFILE=fuzz OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m hypothesis

lowest: $(VENV)/.made
	$(PYTHON) -m venv .venv-lowest
	{ $(BIN)/python tests/lowest.py | grep -v '^torch=='; grep '^torch==' constraints.txt; } > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c .venv-lowest/constraints.txt -e '.[dev]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist worksteal

bench: $(VENV)/.installed-dev
	$(BIN)/countception benchmark --tables

picture: demo
	mkdir -p docs/images
	cp demo/overview.png docs/images/demo.png

clean:
	rm -rf $(VENV) .venv-lowest demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'countception needs Python 3.11 or newer, and there is no $(PYTHON): install it, or name another: make PYTHON=…'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "countception needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V): name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'countception needs the venv module of Python: on Debian or Ubuntu, apt install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
