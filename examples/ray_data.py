"""Rerank a Parquet or JSONL data set with Ray Data.

    python ray_data.py IN.jsonl OUT --provider cohere --actors 4 --concurrency 64

IN is a file or a folder, its type known by its name's end or by ``--format``. Each row has an ``id``, a ``query``,
``documents`` (strings or objects) and perhaps a ``top_n``. Ids are unique, and all strings or all integers. OUT is a
folder that all nodes share, or a URL of cloud storage. OUT/rows gets a row for each id, in IN's format: ``results``,
``model`` and ``usage``, or an ``error`` with its class and message.

- After a run that ended well each id has exactly one row, also if actors, tasks or earlier runs were killed. Until then
  OUT/rows may hold unfinished files: read it at the end.
- The same command resumes an interrupted run. It skips the ids in OUT/done, where Ray Data notes each file that is
  written. To start again, remove OUT. Do not run two at the same time.
- At most ``--concurrency`` requests are in flight over the whole cluster.
- A request may be sent twice: a killed actor loses the blocks that it had not handed on, ``--rows`` requests each.
- A failed request is a row and counts as done. A refused key, an unknown model or a used-up quota ends the run instead:
  put it right and resume.

Each node needs this library with the extra ``http``, and the provider's key in the environment of Ray's workers.
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
# Every other request would fail in the same way.
ENDS_THE_RUN = (ru.AuthenticationError, ru.PermissionDeniedError, ru.ModelNotFoundError, ru.QuotaExceededError)


class JsonLines(FileBasedDatasource):
    """Reads each line as text beside its id. Arrow's JSON reader guesses types: it makes timestamps of dates."""

    def _read_stream(self, f: pa.NativeFile, path: str) -> Iterator[pa.Table]:
        lines = [line for line in io.TextIOWrapper(f, "utf-8-sig") if line.strip()]
        yield pa.table({"id": [json.loads(line)["id"] for line in lines], "request": lines})


class JsonLinesSink(BlockBasedFileDatasink):
    """Writes a row a line, without the columns that are null."""

    def write_block_to_file(self, block: BlockAccessor, file: pa.NativeFile) -> None:
        """Write a block. Ray Data's JSON writer would round the scores."""
        for row in block.to_arrow().to_pylist():
            line = json.dumps({name: value for name, value in row.items() if value is not None})
            file.write(f"{line}\n".encode())


class Reranker:
    """An actor with one client, which reranks a block of rows at a time."""

    def __init__(self, provider: str, concurrency: int, retries: int, settings: dict[str, Any]) -> None:
        self.concurrency = concurrency
        # `concurrency=1` is for a request that is split: its parts go out one after another, or the bound would not hold.
        policy = ru.FallbackPolicy(retries=retries)
        self.client = ru.Client(provider, concurrency=1, max_connections=concurrency, policy=policy, **settings)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return a row for each row of the block, in the same order: Ray may run a block again."""
        rows: list[dict[str, Any]] = [{"id": row} for row in block["id"].to_pylist()]
        requests, positions = [], []
        for position, row in enumerate(block.to_pylist()):
            try:
                requests.append(as_request(row))
                positions.append(position)
            except ru.RerankError as error:
                rows[position] |= as_error(error)
        for done in self.client.rerank_many(requests, concurrency=self.concurrency):
            if isinstance(done.error, ENDS_THE_RUN):
                raise done.error
            rows[positions[done.index]] |= as_columns(done.response) if done.response else as_error(done.error)
        return pa.Table.from_pylist(rows, pa.schema({"id": block.schema.field("id").type, **COLUMNS}))


def as_request(row: dict[str, Any]) -> ru.RerankRequest:
    """Make the request of a row.

    Raises:
        rerank_unify.RerankError: the row is no valid request.
    """
    if "request" in row:
        return ru.provider("jina").decode_request(row["request"])
    documents = row.get("documents")
    if isinstance(documents, list):  # in Parquet each object has the fields of all objects, null where it has none
        row["documents"] = [drop_nulls(one) if isinstance(one, dict) else one for one in documents]
    return ru.provider("jina").decode_request(drop_nulls(row))


def drop_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def as_columns(response: ru.RerankResponse) -> dict[str, Any]:
    results = [{"index": result.index, "relevance_score": result.relevance_score} for result in response]
    usage = {name: getattr(response.usage, name, None) for name in ("total_tokens", "search_units")}
    return {"results": results, "model": response.model, "usage": usage}


def as_error(error: ru.RerankError | None) -> dict[str, Any]:
    return {"error": {"class": type(error).__name__, "message": str(error)}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Rerank a Parquet or JSONL data set with Ray Data.")
    parser.add_argument("source", metavar="IN", help="file or folder, local to all nodes or in cloud storage")
    parser.add_argument("out", metavar="OUT", help="folder for the output")
    parser.add_argument("--format", choices=["parquet", "jsonl"], help="by default from the name of IN")
    parser.add_argument("--provider", default="local")
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
    each = options.concurrency // options.actors
    out = options.out if "://" in options.out else os.path.abspath(options.out)  # noqa: PTH100 - it may be a URL
    jsonl = options.format == "jsonl" or options.source.endswith(".jsonl")

    ray.init()  # the cluster of RAY_ADDRESS, else one on this machine
    source = ray.data.read_datasource(JsonLines(options.source)) if jsonl else ray.data.read_parquet(options.source)
    ids = source.select_columns(["id"]).to_pandas()["id"]
    if ids.isna().any() or ids.duplicated().any():
        sys.exit("id: expected another string or integer in each row")
    done = source.repartition(target_num_rows_per_block=options.rows).map_batches(
        Reranker,
        fn_constructor_args=(options.provider, each, options.retries, settings),
        batch_size=None,  # the whole block
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=options.actors),
        num_cpus=0.1,  # an actor waits for the network
    )
    done.context.checkpoint_config = CheckpointConfig("id", f"{out}/done", delete_checkpoint_on_success=False)
    if jsonl:
        done.write_datasink(JsonLinesSink(f"{out}/rows", file_format="jsonl"))
    else:
        done.write_parquet(f"{out}/rows")


if __name__ == "__main__":
    main()
