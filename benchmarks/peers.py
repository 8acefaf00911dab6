"""Other libraries that do the same work: LiteLLM and liter-llm as clients, LiteLLM's proxy, llm-rosetta's conversion.

``make peers`` installs them into .venv-peers (1 GB). `client`, `gateway` and `ratios` then measure them too, each in a
process of its own; ``python benchmarks/peers.py NAME ARGUMENT`` is such a process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, Final

import harness

FIELDS: Final = ("index", "relevance_score")
ENVIRONMENT: Final = harness.HERE.parent / ".venv-peers"
OFFLINE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
"""LiteLLM requests a table of prices when it is imported, except with the first of these."""


def installed() -> bool:
    """Whether the peers' environment is there."""
    return (ENVIRONMENT / ".done").exists()


def versions() -> str:
    """Return the installed versions, in one line."""
    return (ENVIRONMENT / ".done").read_text().strip() if installed() else "peers are not installed"


def command(name: str, argument: str) -> tuple[str, ...]:
    """Return the command of a child that measures a peer."""
    return str(ENVIRONMENT / "bin" / "python"), str(harness.HERE / "peers.py"), name, argument


def litellm_proxy(upstream: str, folder: str) -> tuple[list[str], dict[str, str]]:
    """Return the command without its port, and the environment, of LiteLLM's proxy: one route, one worker, no key."""
    parameters = {"model": f"jina_ai/{harness.MODEL}", "api_base": upstream, "api_key": harness.KEY}
    settings = Path(folder, "litellm.yaml")
    settings.write_text(json.dumps({"model_list": [{"model_name": harness.MODEL, "litellm_params": parameters}]}))
    start = [str(ENVIRONMENT / "bin" / "litellm"), "--config", str(settings), "--host", "127.0.0.1"]
    return [*start, "--num_workers", "1"], {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true", **OFFLINE}


# --- in the peers' environment ---------------------------------------------------------------------------------------


def litellm(url: str) -> harness.AsyncCall:
    """Return a call of LiteLLM, which keeps its own connections between calls."""
    os.environ.update(OFFLINE)
    import litellm

    given: dict[str, Any] = {"api_base": url, "api_key": harness.KEY, "return_documents": False}
    given |= {"model": f"jina_ai/{harness.MODEL}", "query": harness.QUERY, "documents": harness.documents()}
    return partial(litellm.arerank, **given)


def liter_llm(url: str) -> harness.AsyncCall:
    """Return a call through one client of liter-llm."""
    import liter_llm

    client = liter_llm.create_client(api_key=harness.KEY, base_url=f"{url}/v1", model_hint="jina", max_retries=0)
    given = {"model": harness.MODEL, "query": harness.QUERY, "documents": harness.documents()}

    def call() -> Any:
        return liter_llm.rerank(client, liter_llm.RerankRequest(**given, return_documents=False))

    return call


def measure_calls(name: str, make: Callable[[str], harness.AsyncCall], url: str) -> None:
    """Measure a client's calls, 50 at once, after a check of the first."""
    loop = asyncio.new_event_loop()
    call = make(url)

    async def check() -> None:
        response: Any = await call()
        rows = [
            row if isinstance(row, dict) else {key: getattr(row, key) for key in FIELDS} for row in response.results
        ]
        harness.check_ranking(name, [(row["index"], row["relevance_score"]) for row in rows])

    loop.run_until_complete(check())
    harness.take_turns(lambda calls: harness.seconds_at_once(loop, call, calls, harness.AT_ONCE))


def measure_rosetta(path: str) -> None:
    """Measure llm-rosetta's conversion of a Voyage response in a file to Jina's format, from bytes to bytes."""
    from llm_rosetta.gateway.rerank_pipeline import RerankConversionPipeline

    body = Path(path).read_bytes()

    def convert() -> bytes:
        pipeline = RerankConversionPipeline("jina", "voyage")
        converted: dict[str, Any] = pipeline.convert_response(json.loads(body))
        return json.dumps(converted).encode()

    assert [row["index"] for row in json.loads(convert())["results"]] == [
        row["index"] for row in json.loads(body)["data"]
    ]
    harness.take_turns(partial(harness.seconds_of, convert, clock=process_time))


def main() -> None:
    """Measure one peer."""
    match sys.argv[1:]:
        case ["litellm", url]:
            measure_calls("litellm", litellm, url)
        case ["liter-llm", url]:
            measure_calls("liter-llm", liter_llm, url)
        case ["llm-rosetta", path]:
            measure_rosetta(path)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
