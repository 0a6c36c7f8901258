# Two commands on a fresh machine: `make demo` and `make test`. Both do the set-up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
# Test processes side by side. Three keep two cores busy while some wait.
WORKERS ?= 3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-fast test-all coverage faults lint check docs bench compat screenshots format clean

$(STAMP): requirements.txt pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## train small CNNs on real images: a grid, then an evolution
	$(BIN)/sparkexp demo

test: $(STAMP)  ## everything but what is marked slow
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

coverage: $(STAMP)  ## the same, measured: at least 90 % of the lines; takes a quarter longer
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) -m "not slow"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-fast: $(STAMP)  ## no Spark, no notebooks: seconds
	$(BIN)/pytest -q -n 2 -m "not spark and not cluster and not storage and not notebook and not slow"

test-all: $(STAMP)
	$(BIN)/pytest

faults: $(STAMP)  ## the fault tests ten times beside two busy loops: more than an hour
	$(BIN)/python -m tests.spark.repeated

compat: $(STAMP)  ## each version of Spark, TensorFlow and Python: half an hour, 3 GB at a time
	$(BIN)/pip install --quiet uv
	$(BIN)/python -m tests.compat.run

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test-fast  ## what every commit passes

docs: $(STAMP)  ## the documentation, into site/; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -d .doctrees -c docs . site

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(STAMP)  ## take the pictures of the pages anew; needs chromium and chromium-driver
	$(BIN)/python -m docs.make_images

bench: $(STAMP)
	$(BIN)/python benchmarks/overhead.py

clean:
	rm -rf $(VENV) site .doctrees .pytest_cache .mypy_cache .ruff_cache .coverage*
