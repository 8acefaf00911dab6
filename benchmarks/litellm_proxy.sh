#!/usr/bin/env bash
# gateway.py beside LiteLLM's proxy, in an environment of its own (.venv-litellm), made on first use: 1 GB.
# Takes gateway.py's options; `benchmarks/litellm_proxy.sh --quick`. PYTHON names another interpreter for it.
set -euo pipefail
cd "$(dirname "$0")/.."
theirs=.venv-litellm
if [ ! -e "$theirs/.done" ]; then
    "${PYTHON:-python3}" -m venv "$theirs"
    "$theirs/bin/python" -m pip install --quiet --disable-pip-version-check 'litellm[proxy]'
    touch "$theirs/.done"
fi
exec .venv/bin/python benchmarks/gateway.py "$@"
