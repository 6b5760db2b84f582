# make repro: install, run the whole pipeline on the digits, show the verdict.   make test: install, run the tests.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test lint journey benchmark benchmark-gain calibration modes zoo clean

repro: .venv/installed
	dvc repro
	@echo
	@ganaug verdict

test: .venv/installed-dev
	pytest

lint: .venv/installed-dev
	ruff check .
	ruff format --check .
	mypy
	lint-imports

journey: .venv/installed-dev
	python tests/journey.py

benchmark: .venv/installed
	python benchmarks/pipeline.py

benchmark-gain: .venv/installed
	python benchmarks/gain.py

calibration: .venv/installed
	python benchmarks/calibration.py

modes: .venv/installed-dev
	python benchmarks/modes.py

zoo: .venv/installed-dev
	python benchmarks/zoo.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --quiet --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf .ganaug data/prepared data/synth models reports/fidelity reports/trials reports/plots reports/report.html reports/timings.*
