# Two commands do everything on a machine with Python 3.11 or newer and make: `make demo` and `make test`.
PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
NETWORK ?= nano
# As in README.md, whose table this makes.
DEMO_RULES := cut3r,ttt3r,ttt3r+pose,constant:rate=0.3,constant:rate=0.3+pose,stride:k=3,frozen

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs docs-test tutorials figures wheel-test clean .venv

help: ## show this list
	@echo "usage: make TARGET [PYTHON=python3.12]"
	@sed -n 's/^\([a-z.-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

.venv: $(VENV)/.installed ## make the environment in .venv (the other targets do it by themselves)

# The stamps are written last: an installation that was cut short is taken up again at the next call.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "== Setting up $(VENV) (once; PyTorch is the large part)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "== Adding what the documentation needs to $(VENV)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: $(VENV)/.installed ## reconstruct a sequence, then the table of README.md: rules side by side on worlds
	@echo "== 1/3 A short sequence with ground truth -> demo/sequence"
	$(BIN)/ttt3r data demo demo/sequence
	@echo "== 2/3 Cameras and points from its images -> demo/run"
	$(BIN)/ttt3r run demo/sequence/rgb --network $(NETWORK) --rule ttt3r --out demo/run --overwrite
	@echo "== 3/3 Rules on 32 held-out worlds, 8 to 64 frames -> demo/worlds (about a minute)"
	$(BIN)/ttt3r compare worlds --network $(NETWORK) --rules $(DEMO_RULES) --out demo/worlds --overwrite
	@echo "== Done. Open demo/worlds/report/report.html, or look at demo/worlds/differences.png and errors.png."

lint: $(VENV)/.installed ## ruff (rules and format) and pyright
	@echo "== Lint: ruff, then pyright"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

test: lint ## lint, all tests with shape checks on, then the wheel installed elsewhere
	@echo "== Tests, with shape checks on"
	TTT3R_TYPECHECK=1 $(BIN)/python -m pytest -n $(WORKERS) --ignore tests/test_wheel.py
	@$(MAKE) --no-print-directory wheel-test

wheel-test: $(VENV)/.installed ## build the wheel, install it elsewhere, use it from there
	@echo "== The wheel, built and used from another folder"
	$(BIN)/python -m pytest tests/test_wheel.py

docs: $(VENV)/.installed-docs ## build the documentation strictly into site/
	@echo "== Documentation, strict -> site/index.html"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-test: docs ## build the documentation and look at it: links, pages in a browser, equations, notebooks
	@echo "== Tests of the documentation"
	TTT3R_TYPECHECK=1 $(BIN)/python -m pytest -n $(WORKERS) -m docs

tutorials: $(VENV)/.installed-docs ## run all tutorials in full and write their pages and notebooks into docs/tutorials/
	$(BIN)/python tutorials/render.py

figures: $(VENV)/.installed ## draw the pictures of README and documentation again
	$(BIN)/python docs/figures/make_figures.py
	$(BIN)/python docs/figures/make_fast_weights.py
	$(BIN)/python docs/figures/make_world.py

clean: ## remove the environment, builds, caches and the demo's results
	rm -rf $(VENV) build dist site demo .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
