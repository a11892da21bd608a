# Everything runs in .venv, which these targets set up themselves: Python 3.11+ and make are all that is needed.
# Where there is npm (Node.js 20.19 or later), the page's scripts are checked, formatted and tested too.
PYTHON ?= python3
BIN := .venv/bin
TORCH := torch==2.13.0
NODE_TOOLS := $(if $(shell command -v npm 2>/dev/null),node_modules/.ready)

.PHONY: demo test test-fast check quick-bench docs format types benchmarks vendor package-check release-check test-oldest audit clean

demo: .venv/ready
	$(BIN)/spanmatch demo

# In two processes: tests of one file stay together, see tests/conftest.py.
test: .venv/ready $(NODE_TOOLS)
	$(BIN)/pytest -n 2 --dist loadgroup
	$(if $(NODE_TOOLS),npm test)

# Everything but the tests that train networks, start processes or open a browser: see tests/conftest.py.
test-fast: .venv/ready
	$(BIN)/pytest -m "not slow"

check: .venv/ready $(NODE_TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(if $(NODE_TOOLS),npm run check)

format: .venv/ready $(NODE_TOOLS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(NODE_TOOLS),npm run format)

# Every measure in tests with known answers, on few networks: about two minutes.
quick-bench: .venv/ready
	$(BIN)/spanmatch bench --quick --out build/bench

# The site, in site/: warnings are errors. SPHINX_OPTIONS="-D plot_gallery=0 -D nb_execution_mode=off" runs no examples.
docs: .venv/ready
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html -d build/doctrees $(SPHINX_OPTIONS) docs site
	$(BIN)/python tools/check_site.py site

# The types of the page's scripts, from the schema.
types: .venv/ready node_modules/.ready
	$(BIN)/python tools/page_types.py

benchmarks: .venv/ready
	$(BIN)/python benchmarks/match_profile.py
	$(BIN)/python benchmarks/update.py
	$(BIN)/python benchmarks/sample.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/capture.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/peeling.py
	$(BIN)/python benchmarks/minimum_match.py
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/measures.py
	$(BIN)/python benchmarks/sample_measures.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/type1.py
	$(BIN)/python benchmarks/permutations.py
	$(BIN)/python benchmarks/coverage_seeds.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/wide.py
	$(BIN)/python benchmarks/workers.py
	$(BIN)/python benchmarks/sparse.py
	$(BIN)/python benchmarks/threads.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/tracker.py
	$(BIN)/python benchmarks/calls.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/exactness.py
	$(BIN)/python benchmarks/kills.py

# PyTorch comes first and alone, by its exact version: elsewhere its CPU build has an index of its own, which
# TORCH_INDEX can name. The package itself last, so that a change of code needs no new set-up.
.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	touch $@

node_modules/.ready: package.json package-lock.json
	npm ci --no-audit --no-fund --silent
	touch $@

# The two libraries that draw the page's charts stand in the package, as published.
vendor:
	rm -rf build/vendor && mkdir -p build/vendor
	cd build/vendor && npm pack --silent d3@7.9.0 @observablehq/plot@0.6.17 && for f in *.tgz; do tar xzf $$f --one-top-level; done
	cp build/vendor/d3-7.9.0/package/dist/d3.min.js src/spanmatch/report/vendor/
	cp build/vendor/observablehq-plot-0.6.17/package/dist/plot.umd.min.js src/spanmatch/report/vendor/

# The wheel and the source distribution, built, checked and tried without extras: about a minute.
package-check: .venv/ready
	$(BIN)/python tools/release_check.py --core-only

# The same with every extra and each supported Python of this machine: some minutes.
release-check: .venv/ready
	$(BIN)/python tools/release_check.py --torch $(TORCH) $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX)) $(RELEASE_OPTIONS)

# The tests that need no PyTorch, with the oldest versions of dependencies that pyproject.toml allows, in an environment
# of their own. What these versions warn of is no fault of ours; those of SciPy import more, and pydantic's writes other
# types. OLDEST_EXTRAS may be empty: then the core alone.
OLDEST := build/oldest/bin/python
OLDEST_EXTRAS ?= frames,plot,onnx,zarr,parquet,hdf5,dask
test-oldest: build/oldest/ready
	PYTHONPATH=tools $(OLDEST) -m pytest -m "not slow" -n 2 --dist loadgroup -p skip_without_extras \
		-W ignore::DeprecationWarning --deselect tests/report/test_page_types.py \
		--deselect tests/test_import.py::test_import_leaves_slow_parts_of_scipy_alone

build/oldest/ready: pyproject.toml constraints.txt
	rm -rf build/oldest && $(PYTHON) -m venv build/oldest
	grep -E '^(hypothesis|packaging|pytest|pytest-xdist|PyYAML)==' constraints.txt >build/oldest/requirements.txt
	$(OLDEST) -m pip install --quiet --disable-pip-version-check --requirement build/oldest/requirements.txt
	$(OLDEST) tools/oldest_versions.py $(OLDEST_EXTRAS) >build/oldest/constraints.txt
	$(OLDEST) -m pip install --quiet --disable-pip-version-check --constraint build/oldest/constraints.txt \
		--editable '.[$(OLDEST_EXTRAS)]'
	touch $@

# Known vulnerabilities of the pinned versions. It needs the database of advisories: see SECURITY.md.
audit: build/audit/bin/pip-audit
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

build/audit/bin/pip-audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1

clean:
	rm -rf .venv node_modules build dist site jupyter_execute docs/api docs/gallery docs/project .mypy_cache .ruff_cache .pytest_cache .hypothesis
