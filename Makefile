# Two commands matter: `make demo` and `make test`.
#   make demo IMAGES=~/photos                 your own photos
#   make demo PORTS="label_studio=8090 s3=4600"  other ports
#   make demo DATA=/somewhere/else            another data folder

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
UV := $(shell command -v uv || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
# Wheels that the user's pip finds, uv finds too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: demo test check audit chaos fuzz quality bench speed video format clean
demo: .venv/.synced
	@$(RUN) phenoloop up $(if $(DATA),--data-dir "$(DATA)") $(if $(IMAGES),--images "$(IMAGES)") $(foreach port,$(PORTS),--port $(port))

check: .venv/.synced
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) pytest -q -n 2 tests/unit tests/contract

test: check audit
	@$(RUN) pytest -v -n 2 --dist loadgroup --reruns 1 tests/integration tests/browser

# Known vulnerabilities of all dependencies; AUDIT=required fails where no vulnerability service can be reached.
audit: .venv/.synced
	@$(RUN) python infra/audit.py

# Hostile input, and a table of it: RUNS generated cases a door, ten times as many a decoder guided by its branches.
fuzz: .venv/.synced
	@$(RUN) python -m tests.hostile $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

# The long campaigns, each with its table. SEED draws; ROUNDS are of kills.
chaos: .venv/.synced
	@$(RUN) phenoloop chaos kill --rounds $(or $(ROUNDS),100) $(if $(SEED),--seed $(SEED))
	@$(RUN) phenoloop chaos faults $(if $(SEED),--seed $(SEED))
	@$(MAKE) fuzz

# The detector beside its peers on a COCO data set: hours. DATA=FOLDER MINUTES=12 FOLDS=3 MODELS="ours yolo baseline".
quality: .venv/.synced
	@$(RUN) python -m benchmarks.detector --data "$(DATA)" --json artifacts/quality.json \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FOLDS),--folds $(FOLDS)) $(if $(MODELS),--models $(MODELS))

# What is promised of speed and memory, each figure as a ratio to its reference in the same run. ONLY="brush snapshot".
bench: .venv/.synced
	@$(RUN) python -m benchmarks --json artifacts/bench.json $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

speed: .venv/.synced
	@$(RUN) python -m benchmarks.speed --json artifacts/speed.json $(if $(PHOTOS),--photos $(PHOTOS))

# The loop once around, filmed in Chromium: MP4 and GIF in OUT, a quarter of an hour. Wants ffmpeg, too.
video: .venv/.synced
	@$(RUN) python -m tests.video $(if $(OUT),--out "$(OUT)") $(if $(SEED),--seed $(SEED))

format: .venv/.synced
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis artifacts

.venv/.synced: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --locked --extra backend
	@touch $@

# --target works where the system's Python is marked as externally managed.
.tools/bin/uv:
	python3 -m pip install --quiet --disable-pip-version-check --target .tools uv
