# make demo, make demo-video, make test, make lint, make docs. Settings, on the command line or in the environment:
#   TEST_ARGS="-n 0 tests/test_x.py"  other arguments of pytest: here one file, in one process
#   TORCH="torch --index-url URL"  another PyTorch, e.g. with CUDA
#   VENV=DIR                       where the virtual environment is, or goes
#   PYTHON=python3.12              what to make it with
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
DEMO_ARGS ?=
TEST_ARGS ?=

RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check
READY := $(VENV)/.asl_mmaction_ready
# Idle OpenMP threads spin, and slow down whatever else runs
export OMP_NUM_THREADS ?= 1

.PHONY: demo demo-video test lint docs env clean
demo: env
	@$(RUN) tools/demo.py $(DEMO_ARGS)

demo-video: env
	@$(RUN) tools/demo_video.py $(DEMO_ARGS)

test: env
	@$(RUN) -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal $(TEST_ARGS)

lint: env
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

# The site, in build/docs
docs: env
	@$(RUN) -c 'import myst_parser, sphinx_book_theme' 2> /dev/null || $(PIP) install -qq -e '.[docs]'
	@$(RUN) -m sphinx --fail-on-warning --keep-going -q -c docs . build/docs

env: $(READY)

$(READY): setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "make: Python 3.10 or newer is needed, but $(PYTHON) is not; set PYTHON=..."; exit 1; }
	@test -x $(RUN) || { echo "Making the virtual environment $(VENV)" && \
	    $(PYTHON) -m venv $(VENV) > $(VENV).log 2>&1; } || { \
	    echo "make: $(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv"; \
	    rm -rf $(VENV); exit 1; }
	@rm -f $(VENV).log
	@echo "Installing $(firstword $(TORCH)) and asl_mmaction into $(VENV): a minute or a few"
	@$(RUN) -c 'import torch' 2> /dev/null || $(PIP) install -qq $(TORCH)
	@$(PIP) install -qq -e '.[lite,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build docs/api *.egg-info
