# Every target works by itself on a fresh clone, with Python 3.11 or newer, gcc and make.
# The environment .venv is built once from requirements.lock, and again when what it was built from changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
NATIVE := $(wildcard native/CMakeLists.txt native/cffi/* native/include/* native/src/*)
BENCH_ROWS ?= 10000000
BENCH_ROUNDS ?= 5
C_FILES := $(wildcard native/include/*.h native/src/*.h native/src/*.c native/src/*.inc native/tests/*.h native/tests/*.c)

.DEFAULT_GOAL := help
.PHONY: FORCE help demo test faults bench lint format native-test native-emulated lock clean

help:
	@echo "make demo         install, start a server, load a survey, print its answers"
	@echo "make test         native and Python tests"
	@echo "make faults       kills, power cuts, failing disks: as many as CI runs"
	@echo "make bench        benchmarks, beside what else one would use; writes the README's table"
	@echo "make lint         formatting, types, layers, protos, docs"
	@echo "make format       write what 'make lint' would ask of the formatters"
	@echo "make native-test  the C kernels alone under sanitizers (gcc and make suffice)"
	@echo "make native-emulated  the AVX-512 kernels on a processor that has none (Debian's libsimde-dev)"
	@echo "make lock         resolve requirements.lock afresh"
	@echo "make clean        remove the environment and everything built"

.venv/locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "cxstream needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=/path/to/python3"; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	    echo "'$(PYTHON)' cannot create virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# An editable install knows the modules there were when it was made: this file changes when one comes or goes.
# And it has no bytecode, as pip makes of any other: where Python may not write its own (PYTHONDONTWRITEBYTECODE),
# every start would compile all modules anew.
.venv/modules: .venv/locked FORCE
	@$(BIN)/python -m compileall -q engine client_sdk/src
	@find engine client_sdk/src -name '*.py' | LC_ALL=C sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
FORCE:

# The build tools are in the lock, so nothing is fetched here. Python changes need no new install; new modules and C
# changes do.
.venv/installed: .venv/locked .venv/modules pyproject.toml $(NATIVE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/installed
	$(BIN)/cxstream demo

test: native-test .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

faults: .venv/installed
	$(BIN)/python -m pytest -m faults tests/faults

# What cannot be installed is left out, visibly.
.venv/bench: benchmarks/requirements.lock .venv/locked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< || \
	    echo "not everything in $< can be installed here: those columns stay empty"
	@touch $@

bench: .venv/installed .venv/bench
	@mkdir -p build
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-quiet --bench-rows $(BENCH_ROWS) \
	    --bench-rounds $(BENCH_ROUNDS) --benchmark-json build/benchmarks.json
	$(BIN)/python -m benchmarks.report build/benchmarks.json --write

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	$(BIN)/buf lint protos
	$(BIN)/python protos/generate.py --check
	$(BIN)/python engine/docs/render.py --check

format: .venv/installed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

native-test:
	@$(MAKE) --no-print-directory -C native/tests BUILD="$(CURDIR)/build/native-test"

# The AVX-512 kernels where the processor has none, by SIMDe (Debian: libsimde-dev).
native-emulated:
	@$(MAKE) --no-print-directory -C native/tests BUILD="$(CURDIR)/build/native-test" emulated

# With hashes and without the address of any index; needs uv on the path.
lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --extra dev --extra bench --python-version 3.11 --generate-hashes \
	    --constraint requirements.lock --no-emit-index-url --no-annotate --no-header --quiet \
	    --output-file benchmarks/requirements.lock

clean:
	rm -rf .venv build dist client_sdk/dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find engine client_sdk tests protos benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
