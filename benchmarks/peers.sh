#!/usr/bin/env bash
# overhead.py beside litellm and liter-llm, in an environment of its own (.venv-peers), made on first use.
# Takes overhead.py's options; `benchmarks/peers.sh --quick`. PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
peers=.venv-peers
if [ ! -e "$peers/.done" ]; then
    "${PYTHON:-python3}" -m venv "$peers"
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[http,aiohttp]' litellm liter-llm
    touch "$peers/.done"
fi
exec "$peers/bin/python" benchmarks/overhead.py "$@"
