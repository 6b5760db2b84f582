# make repro: install, run the whole pipeline on the digits, show the verdict.   make test: install, run the tests.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

INPUTS ?= 1800
KILLS ?= 10
SEED ?= 0

.PHONY: repro test faults lint docs notebook browser journey journey-all benchmark benchmark-estimate benchmark-gain calibration modes zoo peers clean

repro: .venv/installed
	dvc repro
	@echo
	@ganaug verdict

# One worker per core of a small machine; tests of one file stay together, since they share finished pipelines.
test: .venv/installed-dev
	pytest -n 2 --dist loadfile --no-loadscope-reorder

# What ganaug must survive, in numbers (docs/architecture.md): damaged inputs, kills, two at once, full disks.
faults: .venv/installed-dev
	cd tests && python -m faults --inputs $(INPUTS) --kills $(KILLS) --twice 2 --full-disk 3 --seed $(SEED)

lint: .venv/installed-dev
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# The site, into site/: a link that leads nowhere, or anything loaded from the web, is an error (docs/site/).
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

notebook: .venv/installed-dev
	pytest --nbmake docs/notebook.ipynb

journey: .venv/installed-dev
	python tests/journey.py

# The report's page in Chromium (needs node too): accessible, and readable on a phone.
browser: .venv/installed
	python tests/browser.py reports/report.html

journey-all: .venv/installed-dev
	python tests/journey.py --all

benchmark: .venv/installed
	python benchmarks/pipeline.py

benchmark-estimate: .venv/installed-dev
	python benchmarks/estimate.py

benchmark-gain: .venv/installed
	python benchmarks/gain.py

calibration: .venv/installed
	python benchmarks/calibration.py

modes: .venv/installed-dev
	python benchmarks/modes.py

zoo: .venv/installed-dev
	python benchmarks/zoo.py

# Beside other libraries, which the project does not need: some hours of one core.
peers: .venv/installed-dev
	pip install --quiet --no-deps --target build/peers/site torchgan==0.1.0 torch-mimicry==0.1.16 prdc==0.2
	python benchmarks/peers.py
	python benchmarks/metrics.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --quiet --editable .
	@touch $@

# Holds all of .venv/installed too: where tests come first, nothing is installed twice.
.venv/installed-dev: pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	pip install --quiet --editable '.[dev]'
	@touch .venv/installed $@

clean:
	rm -rf .ganaug data/prepared data/synth models reports/fidelity reports/trials reports/plots reports/report.html reports/timings.*
