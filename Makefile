# Every target sets up its own .venv first; none needs root.
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo

.PHONY: help demo test test-long test-docs test-all bench lint format types docs clean
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/installed  ## render pictures, train, evaluate on unseen classes, explain matches, search: report.html, matches.html, hits.html in runs/demo
	rm -rf $(RUN)
	$(BIN)/kinsight data render runs/scenes --classes 80 --per-class 40 --size 64 --seed 1
	$(BIN)/kinsight train --data runs/scenes --recipe demo --out $(RUN)
	$(BIN)/kinsight evaluate $(RUN) --untrained
	$(BIN)/kinsight explain $(RUN) "runs/scenes/$$(awk -F, '$$4 == "test" {print $$1; exit}' runs/scenes/metadata.csv)" \
	  --gallery runs/scenes --top 3 --out $(RUN)/matches.html
	$(BIN)/kinsight index $(RUN) runs/scenes --out $(RUN)/scenes.kin
	$(BIN)/kinsight search $(RUN)/scenes.kin "runs/scenes/$$(awk -F, '$$4 == "test" {print $$1; exit}' runs/scenes/metadata.csv)" \
	  --where "split = 'test'" --top 12 --out $(RUN)/hits.html
	@echo "report: $(RUN)/report.html; why the matches are alike: $(RUN)/matches.html; a search: $(RUN)/hits.html"
	@echo "a page to search on: $(BIN)/kinsight serve $(RUN)/scenes.kin"

test: .venv/installed  ## the tests that take less than about a second each, a few minutes together
	$(BIN)/pytest -n 2 --dist worksteal -m "not long and not slow and not docs"

test-long: .venv/installed  ## those that take more: whole trainings, kills, several processes, pages
	$(BIN)/pytest -n 2 --dist worksteal -m "long and not slow"

test-docs: .venv/installed  ## the commands and programs of README and docs, run as they stand
	$(BIN)/pytest -n 2 --dist worksteal -m "docs and not slow" tests/test_docs.py tests/test_readme.py

test-all: .venv/installed  ## all tests
	$(BIN)/pytest -n 2 --dist worksteal

bench: .venv/installed  ## speed and memory as ratios against a peer, each measured in one run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/grouping.py
	$(BIN)/python benchmarks/relational.py
	$(BIN)/python benchmarks/search.py --count 100000
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python benchmarks/explanation.py

lint: .venv/installed  ## ruff: rules and format; imports go down only, without circles
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: .venv/installed  ## ruff: repair rules and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: .venv/installed  ## mypy
	$(BIN)/mypy

docs: .venv/installed  ## the documentation as a site in build/docs
	$(BIN)/pip install --quiet --editable '.[docs]'
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

clean:  ## remove what the targets made (not the runs)
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
