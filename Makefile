# Two commands for users (run, test); both set everything up in .venv on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint bench slow clean
.DEFAULT_GOAL := run

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

run: .venv/.ready  ## the main job: are Grad-CAM maps consistent across faces of one emotion? (built-in faces)
	$(BIN)/python -m studies.run gradcam_consistency

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2

slow: .venv/.ready
	$(BIN)/python -m pytest -m slow

bench: .venv/.ready  ## speed, as ratios against peers and the bare forward pass
	$(BIN)/pip install --quiet --editable '.[peers]'
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache build *.egg-info
