"""Rerank a Parquet or JSONL data set with Ray Data.

    python ray_data.py IN.jsonl OUT --provider cohere --actors 4 --concurrency 64

IN is a file or a folder. Its rows have an ``id``, a ``query``, ``documents`` (strings or objects) and perhaps a
``top_n``. Ids are unique, and all strings or all integers. OUT is a folder that all nodes share, or a URL of cloud
storage. OUT/rows gets a row for each id, in IN's format: ``results``, ``model`` and ``usage``, or an ``error``.

- After a run that ended well each id has exactly one row, even if actors, tasks or earlier runs were killed. Until then
  OUT/rows may hold unfinished files: read it at the end.
- The same command resumes an interrupted run. It skips the ids in OUT/done, where Ray Data records what it has written.
  To start again, remove OUT. Never run two at once: after a kill, wait until Ray has ended the earlier job.
- At most ``--concurrency`` requests are in flight over the whole cluster.
- Requests may be sent twice: a kill loses the blocks in work, and those not yet written, of ``--rows`` requests each.
- A failed request is a row, and is not sent again. An error that all requests would meet ends the run: resume it.

Each node needs this library with its extra ``http``, and the provider's API key in the environment of Ray's workers.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray
from ray.data.block import BlockAccessor
from ray.data.checkpoint import CheckpointConfig
from ray.data.datasource import BlockBasedFileDatasink, FileBasedDatasource

import rerank_unify as ru

RESULTS = pa.list_(pa.struct({"index": pa.int64(), "relevance_score": pa.float64()}))
USAGE = pa.struct({"total_tokens": pa.int64(), "search_units": pa.float64()})
ERROR = pa.struct({"class": pa.string(), "message": pa.string()})
COLUMNS = {"results": RESULTS, "model": pa.string(), "usage": USAGE, "error": ERROR}
ENDS_THE_RUN = (ru.AuthenticationError, ru.PermissionDeniedError, ru.ModelNotFoundError, ru.QuotaExceededError)


class JsonLines(FileBasedDatasource):
    """Reads each line as text, beside its id. Arrow's JSON reader guesses types: it makes timestamps of dates."""

    def _read_stream(self, f: pa.NativeFile, path: str) -> Iterator[pa.Table]:  # noqa: ARG002 - Ray Data passes it
        lines = [line for line in io.TextIOWrapper(f, "utf-8-sig") if line.strip()]
        yield pa.table({"id": [id_of(line) for line in lines], "request": lines})


class JsonLinesSink(BlockBasedFileDatasink):
    """Writes a row a line, without the columns that are null. Ray Data's own JSON writer rounds scores."""

    def write_block_to_file(self, block: BlockAccessor, file: pa.NativeFile) -> None:
        """Write the rows of a block."""
        for row in block.to_arrow().to_pylist():
            file.write(f"{json.dumps(drop_nulls(row))}\n".encode())


class Reranker:
    """An actor with one client, which reranks a block of rows at a time."""

    def __init__(self, provider: str, concurrency: int, retries: int, settings: dict[str, Any]) -> None:
        self.concurrency = concurrency
        # `concurrency=1`: the parts of a request that is split go out one after another, or the bound would not hold.
        policy = ru.FallbackPolicy(retries=retries)
        self.client = ru.Client(provider, concurrency=1, max_connections=concurrency, policy=policy, **settings)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return a row for each row of the block, in the same order: Ray may run the block again."""
        outcomes: dict[int, ru.RerankResponse | ru.RerankError] = {}
        requests: dict[int, ru.RerankRequest] = {}
        for position, row in enumerate(block.to_pylist()):
            request = as_request(row)
            if isinstance(request, ru.RerankError):
                outcomes[position] = request
            else:
                requests[position] = request
        positions = [*requests]
        for done in self.client.rerank_many(requests.values(), concurrency=self.concurrency):
            if isinstance(done.error, ENDS_THE_RUN):
                raise done.error
            outcomes[positions[done.index]] = done.error or done.unwrap()
        rows = [{"id": one, **as_columns(outcomes[position])} for position, one in enumerate(block["id"].to_pylist())]
        return pa.Table.from_pylist(rows, pa.schema({"id": block.schema.field("id").type, **COLUMNS}))


def id_of(line: str) -> Any:
    try:
        return json.loads(line)["id"]
    except (ValueError, TypeError, KeyError):
        return None  # `main` refuses it


def as_request(row: dict[str, Any]) -> ru.RerankRequest | ru.RerankError:
    if isinstance(row.get("documents"), list):  # in Parquet each object has the fields of all, null where it has none
        row["documents"] = [drop_nulls(one) if isinstance(one, dict) else one for one in row["documents"]]
    try:
        return ru.provider("jina").decode_request(row.get("request") or row)
    except ru.RerankError as error:
        return error


def as_columns(outcome: ru.RerankResponse | ru.RerankError) -> dict[str, Any]:
    if isinstance(outcome, ru.RerankError):
        return {"error": {"class": type(outcome).__name__, "message": str(outcome)}}
    results = [{"index": result.index, "relevance_score": result.relevance_score} for result in outcome]
    usage = {name: getattr(outcome.usage, name) for name in USAGE.names}
    return {"results": results, "model": outcome.model, "usage": usage}


def drop_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description="Rerank a Parquet or JSONL data set with Ray Data.")
    parser.add_argument("source", metavar="IN", help="file or folder, which all nodes can read")
    parser.add_argument("out", metavar="OUT", help="folder for the output")
    parser.add_argument("--format", choices=["parquet", "jsonl"], help="by default jsonl if IN ends so, else parquet")
    parser.add_argument("--provider", required=True)
    parser.add_argument("--model")
    parser.add_argument("--base-url")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight over the whole cluster")
    parser.add_argument("--rows", type=int, default=500, help="requests in a block, which becomes a file")
    parser.add_argument("--retries", type=int, default=5, help="of a request that failed in a way that may pass")
    options = parser.parse_args()
    if not 1 <= options.actors <= options.concurrency:
        parser.error("--actors: expected 1 or more, and no more than --concurrency")
    settings = drop_nulls({"model": options.model, "base_url": options.base_url})
    out = options.out if "://" in options.out else os.path.abspath(options.out)  # noqa: PTH100 - it may be a URL
    jsonl = (options.format or options.source[-5:]) == "jsonl"

    ray.init()  # the cluster of RAY_ADDRESS, else one on this machine
    source = ray.data.read_datasource(JsonLines(options.source)) if jsonl else ray.data.read_parquet(options.source)
    ids = source.select_columns(["id"]).to_pandas()["id"]
    if ids.isna().any() or ids.duplicated().any():
        sys.exit("id: expected another string or integer in each row")
    ranked = source.repartition(target_num_rows_per_block=options.rows).map_batches(
        Reranker,
        fn_constructor_args=(options.provider, options.concurrency // options.actors, options.retries, settings),
        batch_size=None,  # the whole block
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=options.actors),
        num_cpus=0.1,  # an actor waits for the network
    )
    ranked.context.checkpoint_config = CheckpointConfig("id", f"{out}/done", delete_checkpoint_on_success=False)
    if jsonl:
        ranked.write_datasink(JsonLinesSink(f"{out}/rows", file_format="jsonl"))
    else:
        ranked.write_parquet(f"{out}/rows")


if __name__ == "__main__":
    main()
