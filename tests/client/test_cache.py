"""The cache of scores: the same results as without it, fewer documents sent, and a failed store fails no request."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import PATIENCE, Play, ScriptedServer, respond_as

import rerank_unify as ru
from rerank_unify.cache import CacheCounts

from .helpers import DOCUMENTS, Rerank, ask, failure, indices, jina, opened, run, voyage

POOL: Final = [*DOCUMENTS, "", {"text": "aloe vera cream"}, {"title": "oil", "body": "for skin"}]
REQUESTS: Final = st.builds(
    ru.RerankRequest,
    query=st.sampled_from(["skin", "oil"]),
    documents=st.lists(st.sampled_from(POOL), min_size=1, max_size=6).filter(any),
    top_n=st.none() | st.integers(1, 7),
    return_documents=st.booleans(),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def sent(server: ScriptedServer) -> list[list[Any]]:
    return [call.json["documents"] for call in server.calls]


def same(response: ru.RerankResponse) -> tuple[object, ...]:
    about = (response.model, response.provider, response.score_kind, response.missing, response.losses)
    return (*about, response.warnings, response.results)


@given(st.lists(REQUESTS, min_size=1, max_size=5), st.sampled_from(["jina", "voyage"]))
def test_the_results_are_those_without_a_cache(requests: list[ru.RerankRequest], name: str) -> None:
    with ScriptedServer(respond=respond_as(name)) as server, ScriptedServer(respond=respond_as(name)) as plain:
        target, bare = ({"jina": jina, "voyage": voyage}[name](one) for one in (server, plain))
        with ru.Client(target, cache=ru.MemoryScoreCache()) as cached, ru.Client(bare) as client:
            for request in requests:
                assert same(cached.rerank(request)) == same(client.rerank(request))


def test_only_missing_documents_are_sent_and_paid(rerank: Rerank) -> None:
    cache = ru.MemoryScoreCache()
    with ScriptedServer() as server:
        first = rerank(jina(server), ask(documents=DOCUMENTS[:2]), settings={"cache": cache})
        second = rerank(jina(server), settings={"cache": cache})
        third = rerank(jina(server), ask(top_n=2), settings={"cache": cache})
        assert sent(server) == [DOCUMENTS[:2], DOCUMENTS[2:]]
    assert (first.cached, second.cached, third.cached) == (0, 2, 4)
    assert second.usage.total_tokens == sum(map(len, DOCUMENTS[2:]))
    assert (third.usage.total_tokens, third.usage.search_units, third.id) == (0, 0, None)
    assert third.results == second.results[:2]
    assert cache.counts == CacheCounts(hits=6, misses=4)


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "oil"},
        {"instruction": "by price"},
        {"truncation": False},
        {"max_tokens_per_doc": 5},
        {"provider_options": {"jina": {"x": 1}}},
    ],
)
def test_what_changes_a_score_is_in_the_key(changes: dict[str, Any]) -> None:
    with ScriptedServer() as server, ru.Client(jina(server), cache=ru.MemoryScoreCache()) as client:
        client.rerank(ask())
        assert client.rerank(ask(**changes)).cached == 0


@pytest.mark.parametrize(
    "more",
    [
        {"api_key": "jina_other"},
        {"headers": {"x-team": "b"}},
        {"limits": ru.Limits(document_tokens=4)},
        {"base_model": "jina-reranker-v2-base-multilingual"},
    ],
)
def test_targets_that_differ_share_no_score(more: dict[str, Any]) -> None:
    cache = ru.MemoryScoreCache()
    with ScriptedServer() as server:
        settings: dict[str, Any] = {"base_url": server.url, "api_key": "jina_one", **more}
        with ru.Client(jina(server), cache=cache) as first:
            first.rerank(ask())
        with ru.Client(ru.Target("jina", **settings), cache=cache) as second:
            assert second.rerank(ask()).cached == 0


@pytest.mark.parametrize("model", ["jina-reranker-v3", "jina-colbert-v2", "never-heard-of"])
def test_a_model_that_is_not_known_to_be_pointwise_is_never_cached(model: str, rerank: Rerank) -> None:
    cache = ru.MemoryScoreCache()
    with ScriptedServer() as server:
        for _ in range(2):
            assert rerank(jina(server, model=model), settings={"cache": cache}).cached == 0
        assert len(server.calls) == 2
    assert cache.counts == CacheCounts()


def test_the_user_may_name_a_pointwise_model_but_no_listwise_one() -> None:
    cache = ru.MemoryScoreCache(pointwise_models=["mine", "jina-reranker-v3"])
    with ScriptedServer() as server:
        for model, cached in (("mine", 4), ("jina-reranker-v3", 0)):
            with ru.Client(jina(server, model=model), cache=cache) as client:
                client.rerank(ask())
                assert client.rerank(ask()).cached == cached


def test_no_declared_model_is_both_listwise_and_pointwise() -> None:
    models = [model for name in ru.provider_names() for model in ru.provider(name).models.values()]
    assert any(model.pointwise for model in models)
    assert not any(model.pointwise and model.listwise for model in models)


ROWS: Final = [{"index": index, "relevance_score": 0.5} for index in range(4)]
MODEL: Final = "jina-reranker-v2-base-multilingual"


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL, "results": ROWS[:3]},  # a row is missing
        {"model": "another", "results": ROWS},
        {"model": MODEL, "results": [*ROWS[:3], {"index": 3, "relevance_score": 1.5}]},
        {"model": MODEL, "results": [{**row, "embedding": [1.0]} for row in ROWS]},
    ],
)
def test_an_odd_response_is_not_cached(body: Mapping[str, Any]) -> None:
    with (
        ScriptedServer([Play(body=body), Play()], respond=respond_as("jina")) as server,
        ru.Client(jina(server), cache=ru.MemoryScoreCache()) as client,
    ):
        client.rerank(ask())
        assert client.rerank(ask()).cached == 0


def test_scores_of_two_models_do_not_mix(rerank: Rerank) -> None:
    cache = ru.MemoryScoreCache()
    other = {"model": "another", "results": ROWS[:2]}
    with ScriptedServer([Play(), Play(body=other), Play(body={**other, "results": ROWS})]) as server:
        rerank(jina(server), ask(documents=DOCUMENTS[:2]), settings={"cache": cache})
        response = rerank(jina(server), settings={"cache": cache})
        assert sent(server)[1:] == [DOCUMENTS[2:], DOCUMENTS]
    assert (response.cached, response.model, indices(response)) == (0, "another", [0, 1, 2, 3])


def test_an_image_is_cached_by_its_content_alone() -> None:
    documents = [{"image": "https://host.example/a.png"}, {"image": "iVBORw0KGgo="}]
    cache = ru.MemoryScoreCache(pointwise_models=["jina-reranker-m0"])
    body = {"model": "jina-reranker-m0", "results": ROWS[:2]}
    one = {"model": "jina-reranker-m0", "results": ROWS[:1]}
    with (
        ScriptedServer([Play(body=body), Play(body=one)]) as server,
        ru.Client(jina(server, model="jina-reranker-m0"), cache=cache) as client,
    ):
        client.rerank("skin", documents)
        assert client.rerank("skin", documents).cached == 1
        assert sent(server)[1] == documents[:1]


def test_scores_expire_and_the_oldest_leave() -> None:
    clock = Clock()
    cache = ru.MemoryScoreCache(ttl=10, max_entries=2, clock=clock)
    with ScriptedServer() as server, ru.Client(jina(server), cache=cache) as client:
        client.rerank("skin", DOCUMENTS[:1])
        clock.now = 9.9
        assert client.rerank("skin", DOCUMENTS[:1]).cached == 1
        clock.now = 10.1
        assert client.rerank("skin", DOCUMENTS[:1]).cached == 0
        client.rerank("skin", DOCUMENTS[1:3])
        assert client.rerank("skin", DOCUMENTS[:1]).cached == 0


def test_a_fallback_has_its_scores_under_its_name(rerank: Rerank) -> None:
    cache = ru.MemoryScoreCache()
    with ScriptedServer([Play(status=500)]) as down, ScriptedServer(respond=respond_as("voyage")) as up:
        for expected in (0, 4):
            assert rerank([jina(down), voyage(up)], settings={"cache": cache}).cached == expected
    with ScriptedServer() as server:
        assert rerank(jina(server), settings={"cache": cache}).cached == 0


def test_a_response_from_the_cache_says_nothing_of_the_targets_health() -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(retries=0, breaker_failures=2, breaker_seconds=1000)
    with (
        ScriptedServer([Play(), Play(status=500)], respond=None) as server,
        ru.Client(jina(server), cache=ru.MemoryScoreCache(), health=health, policy=policy) as client,
    ):
        client.rerank(ask())
        failure(client.rerank, ask(query="oil"))
        assert client.rerank(ask()).cached == 4
        failure(client.rerank, ask(query="oil"))
        assert health.opened_at(client.settings.targets[0], 0) is not None


def test_requests_of_many_threads_and_tasks_get_the_right_scores(over: str) -> None:
    cache = ru.MemoryScoreCache(max_entries=3)  # entries leave all the time
    requests = [ask(documents=DOCUMENTS[n % 3 :]) for n in range(48)]
    with ScriptedServer() as server:
        with ru.Client(jina(server)) as plain:
            expected = [same(plain.rerank(request)) for request in requests]
        with ru.Client(jina(server), cache=cache) as client, ThreadPoolExecutor(16) as pool:
            assert [same(response) for response in pool.map(client.rerank, requests)] == expected

        async def main() -> list[Any]:
            responses: list[Any] = [None] * len(requests)

            async def one(client: ru.AsyncClient, at: int) -> None:
                responses[at] = same(await client.rerank(requests[at]))

            async with opened(over, jina(server), cache=cache) as client, anyio.create_task_group() as group:
                for at in range(len(requests)):
                    group.start_soon(one, client, at)
            return responses

        assert run(over, main) == expected


class Broken(ru.ScoreCache):
    def read(self, keys: Sequence[str]) -> Mapping[str, float]:
        raise OSError(f"redis://:secret@host {keys}")

    def write(self, scores: Mapping[str, float]) -> None:
        raise OSError(f"redis://:secret@host {scores}")


def test_a_store_that_fails_fails_no_request(rerank: Rerank, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    cache = Broken(pause=5, clock=clock)
    with ScriptedServer() as server:
        for _ in range(3):
            assert rerank(jina(server), settings={"cache": cache}).cached == 0
        clock.now = 6
        rerank(jina(server), settings={"cache": cache})
    messages = [record.getMessage() for record in caplog.records if "score cache" in record.getMessage()]
    assert messages == ["the score cache failed: OSError; unused for 5 s"] * 2
    assert cache.counts == CacheCounts(misses=16, errors=2)


@pytest.mark.parametrize("arguments", [{"ttl": 0}, {"max_entries": 0}, {"pointwise_models": "m"}])
def test_wrong_arguments(arguments: Any) -> None:
    assert type(failure(ru.MemoryScoreCache, **arguments)) is ru.InvalidRequestError
    cache: Any = "memory"
    assert "cache: " in str(failure(ru.Client, "local", cache=cache))
    assert "secret" not in str(failure(ru.RedisScoreCache, "http://:secret@host"))


# --- a real Redis ----------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_server(tmp_path: Path) -> Generator[tuple[str, subprocess.Popen[bytes]], None, None]:
    """A server of Redis on a socket of its own: its URL and its process."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    import redis

    path = tmp_path / "r.sock"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            _until_it_answers(client)
        yield f"unix://{path}", process
    finally:
        process.kill()
        process.wait(PATIENCE)


def _until_it_answers(client: Any) -> None:
    from redis.backoff import ConstantBackoff
    from redis.exceptions import ConnectionError as Refused
    from redis.retry import Retry

    Retry(ConstantBackoff(0.05), 600, (Refused,)).call_with_retry(client.ping, lambda _: None)


def test_redis(redis_server: tuple[str, subprocess.Popen[bytes]], rerank: Rerank) -> None:
    import redis

    url, process = redis_server
    with ScriptedServer() as server:
        plain = rerank(jina(server))
        caches = [ru.RedisScoreCache(url, timeout=PATIENCE) for _ in range(2)]
        first, second = (rerank(jina(server), settings={"cache": cache}) for cache in caches)
        assert same(plain) == same(first) == same(second)
        assert (first.cached, second.cached) == (0, 4)
        with redis.Redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType]
            raw: Any = client
            keys = raw.keys("*")
            assert len(keys) == 4
            assert all(key.startswith(b"rerank-unify:1:") and 0 < raw.pttl(key) <= 3_600_000 for key in keys)
            raw.set(keys[0], b"not a score")
            raw.set(keys[1], b"\xff" * 8)  # not a number
        third = rerank(jina(server), settings={"cache": caches[0]})
        assert (same(third), third.cached) == (same(plain), 2)
        process.kill()
        process.wait(PATIENCE)
        lost = rerank(jina(server), settings={"cache": caches[1]})
        assert (same(lost), lost.cached) == (same(plain), 0)
        assert caches[1].counts.errors == 1
        for cache in caches:
            cache.close()
