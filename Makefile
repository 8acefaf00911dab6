# Everything that the project does, each with one command. `make` alone lists them.
# Environments, made on first use: .venv for all work, .venv-interop with the vendors' SDKs, .venv-interop-full with
# frameworks, .venv-ray with Ray Data, .venv-peers with the libraries that `bench` measures too, .venv-server-NAME with each
# server of `servers`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INTEROP := .venv-interop
INTEROP_FULL := .venv-interop-full
RAY := .venv-ray
PEERS := .venv-peers
SERVERS ?= infinity llamacpp vllm xinference
WHEEL := .venv-wheel
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Some environments forbid Python to cache compiled files. Then each process that a test starts compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo quality test check lint docs browser wheel interop interop-full ray servers bench peers chaos fuzz clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

DEMO := fixtures/requests/skincare-multilingual.json
demo: export COLUMNS ?= 100
demo: $(VENV)/.demo ## rank ten documents in five languages, show what Cohere and Voyage would receive: no key, no network
	@$(BIN)/rerank-unify rerank $(DEMO) --top-n 10 --table
	@echo
	@$(BIN)/rerank-unify explain $(DEMO) --provider cohere --model rerank-v3.5 --brief
	@echo
	@$(BIN)/rerank-unify explain $(DEMO) --provider voyage --model rerank-2.5 --brief

test: $(VENV)/.test ## the tests, with a small budget of examples
	$(BIN)/python -m pytest -n auto -q

check: lint wheel $(VENV)/.docs ## everything: format, lint, types, thorough tests with coverage, docs, the wheel tested elsewhere
	RERANK_UNIFY_PROFILE=thorough $(BIN)/python -m pytest -n auto -q --cov --cov-report=term

lint: $(VENV)/.dev ## ruff, import-linter, mypy and pyright, all strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright

docs: $(VENV)/.docs ## run every example of README and docs, and build the site into build/site: no warning, no dead link
	$(BIN)/python -m pytest -q tests/docs
	$(BIN)/python -m sphinx -W --keep-going -n -E -q -d build/doctrees docs build/site
	@echo "build/site/index.html"

browser: $(VENV)/.dev ## the gateway's playground in a browser: chromium, or one that is installed for the tests
	command -v chromium >/dev/null || $(BIN)/python -m playwright install chromium
	$(BIN)/python -m pytest -q tests/gateway/test_playground_browser.py

wheel: $(VENV)/.dev ## build the wheel, look inside, install it elsewhere and test it there
	rm -rf dist build $(WHEEL)
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents --ignore W002 --toplevel rerank_unify dist/*.whl # W002: fixtures may be alike
	$(PYTHON) -m venv $(WHEEL) && $(WHEEL)/bin/python -m pip install --quiet --upgrade pip
	$(WHEEL)/bin/python -m pip install --quiet "$$(ls dist/*.whl)[all,testing]" --group test
	$(BIN)/python tests/in_wheel.py dist/*.whl $(WHEEL)/bin/python

interop: $(INTEROP)/.done ## test against the official SDKs of Cohere, Voyage and Xinference
	$(INTEROP)/bin/python -m pytest -q tests/interop

quality: $(VENV)/.test ## which documents the two models of local put first, and how fast
	$(BIN)/python benchmarks/quality.py

interop-full: $(INTEROP_FULL)/.done ## test with LangChain, LlamaIndex, Haystack, LiteLLM and Infinity's client
	$(INTEROP_FULL)/bin/mypy rerank_unify/integrations/*.py examples/litellm_conversion.py
	$(INTEROP_FULL)/bin/python -m pytest -q tests/interop_full

ray: $(RAY)/.done ## test the example for Ray Data on a local cluster whose processes are killed (700 MB, some minutes)
	$(RAY)/bin/mypy --follow-imports=silent examples/ray_data.py
	$(RAY)/bin/python -m pytest -q --log-cli-level=INFO tests/examples/test_ray_data.py

servers: $(VENV)/.test $(SERVERS:%=.venv-server-%/.done) ## test against real servers with a tiny model, one at a time (7 GB); SERVERS="..." for some
	SERVERS="$(SERVERS)" $(BIN)/python -m pytest -q tests/servers

bench: $(VENV)/.test ## speed, as ratios to a floor measured in the same run
	$(BIN)/python benchmarks/ratios.py
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/client.py
	$(BIN)/python benchmarks/gateway.py

peers: $(PEERS)/.done ## install LiteLLM, liter-llm and llm-rosetta (1 GB): `make bench` then measures them too

chaos: $(VENV)/.test ## 10,000 requests over providers of which two fail half of the time, for a nightly run
	$(BIN)/python benchmarks/chaos.py 10000

fuzz: $(VENV)/.test ## a million broken answers, for a nightly run
	RERANK_UNIFY_FUZZ=1000000 $(BIN)/python -m pytest -q tests/providers/test_fuzz.py

clean: ## remove what the other commands made
	rm -rf $(VENV) $(INTEROP) $(INTEROP_FULL) $(RAY) $(WHEEL) $(PEERS) .venv-server-* dist build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

# --- environments ----------------------------------------------------------------------------------------------------

$(VENV)/.venv: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("rerank-unify needs Python 3.10 or newer, this is " + sys.version if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[cli,local]'
	@touch $@

$(VENV)/.test: $(VENV)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[all,testing]' --group test
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: $(VENV)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[all,testing]' --group dev
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

$(INTEROP)/.done: pyproject.toml
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --upgrade pip
	$(INTEROP)/bin/python -m pip install --quiet --editable '.[all,testing]' --group test --group interop
	@touch $@

$(INTEROP_FULL)/.done: pyproject.toml
	$(PYTHON) -m venv $(INTEROP_FULL)
	$(INTEROP_FULL)/bin/python -m pip install --quiet --upgrade pip
	$(INTEROP_FULL)/bin/python -m pip install --quiet --editable '.[all,testing,langchain,llama-index,haystack]' --group interop-full
	$(INTEROP_FULL)/bin/python -m pip install --quiet --no-deps 'infinity-client>=0.0.78' # it wants httpx < 0.28, LiteLLM a newer one
	@touch $@

$(RAY)/.done: pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --upgrade pip
	$(RAY)/bin/python -m pip install --quiet --editable '.[http,testing]' --group ray
	@touch $@

$(PEERS)/.done: Makefile
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet 'litellm[proxy]' liter-llm llm-rosetta
	$(PEERS)/bin/python -m pip freeze | grep -E '^(litellm|liter.llm|llm.rosetta)==' | paste -sd ' ' > $@

# The three packages of PyTorch's family on PyPI are built for CUDA: they do not import beside a torch for the CPU, and
# nothing here needs them.
.venv-server-%/.done: tests/servers/requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --requirement $<
	$(@D)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@
