"""A cache of scores, for models that score each document by itself. It is off unless a client gets one.

    with ru.Client("voyage", cache=ru.MemoryScoreCache(max_entries=100_000, ttl=3600.0)) as client: ...

The first half is pure: which documents have a key, the call for the documents without a score, and the response that
holds both. The second half holds the stores: the memory of this process, and Redis.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from hashlib import sha256
from math import inf, isfinite, nan
from struct import Struct
from threading import Lock
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from typing_extensions import TypedDict, Unpack

from ._json import dump, is_object
from ._provider import Call, make_call
from .canonical import (
    SCORE_RANGES,
    RerankResponse,
    Row,
    Usage,
    check_number,
    is_data,
    response_from_rows,
    rows_of,
)
from .dialect import fill_documents
from .errors import InvalidRequestError, MissingExtraError

__all__ = ["CacheCounts", "CallWithCache", "CallsWithCache", "MemoryScoreCache", "RedisScoreCache", "ScoreCache"]

LOG: Final = logging.getLogger("rerank_unify")
NOTHING_PAID: Final = Usage(total_tokens=0, search_units=0)
"""The usage where no call was made. It is not unknown: nothing was paid."""
_PREFIX: Final = "rerank-unify:1:"  # the number is the version of the values
_SCORE: Final = Struct("<d")
_TEXT, _OBJECT = b"t", b"o"
# The canonical fields that may change a score. Neither `top_n` nor `return_documents` does.
_FIELDS: Final = ("query", "instruction", "max_tokens_per_doc", "truncation", "rank_fields", "provider_options")


class CacheCounts(NamedTuple):
    """What a cache has counted.

    Attributes:
        hits: documents whose score was in the cache.
        misses: documents whose score was not, each of which was sent to the provider.
        errors: reads and writes that failed.
    """

    hits: int = 0
    misses: int = 0
    errors: int = 0


Counted: TypeAlias = Callable[[CacheCounts], object]


# --- one call, without I/O -------------------------------------------------------------------------------------------


class About(TypedDict):
    """Facts about a call that the call does not hold.

    Attributes:
        scope: the group of users that share scores.
        credentials: the provider's key. Scores are not shared between keys, so that a refused key gets none.
        base_model: the known model behind an alias.
        pointwise_models: further models, as they are sent, that score each document by itself.
    """

    scope: str
    credentials: str | None
    base_model: str | None
    pointwise_models: frozenset[str]


class CallWithCache:
    """One call of a client that has a cache: the keys to look up, the call that is left, and the whole response.

    Args:
        call: the call with all documents of the request.
        about: the facts that the call does not hold.

    Attributes:
        keys (Mapping[int, str]): the key of each document by its index. A document without a key is always sent; there
            is no key at all where the model is not known to be pointwise.
    """

    def __init__(self, call: Call, **about: Unpack[About]) -> None:
        self.call, self._base_model = call, about["base_model"]
        encoded = call.encoded
        self._every: Sequence[int] = range(len(encoded.fields["documents"]))
        self._sent = self._every if encoded.sent_indices is None else encoded.sent_indices
        self._cached: Mapping[int, float] = {}
        # The documents of the call that is left, among which some may be withheld.
        self._left: Sequence[int] = self._every
        self.keys: Mapping[int, str] = {}
        if _may_be_cached(call, about["pointwise_models"]):
            start = _digest_of_request(call, about)
            documents = encoded.fields["documents"]
            contents = ((index, _content(documents[index])) for index in self._sent)
            self.keys = {index: sha256(start + content).hexdigest() for index, content in contents if content}

    def without(self, scores: Mapping[str, float]) -> Call | None:
        """Return the call for the documents without a score; None where every document has one.

        Args:
            scores: scores of a cache, by key. One that the model cannot have given counts as absent.
        """
        low, high = SCORE_RANGES.get(self.call.encoded.model_info.score_kind, (-inf, inf))
        found = ((index, scores.get(key, nan)) for index, key in self.keys.items())
        self._cached = {index: score for index, score in found if low <= score <= high and isfinite(score)}
        if not self._cached:
            self._left = self._every
            return self.call
        self._left = [index for index in self._sent if index not in self._cached]
        if not self._left:
            return None
        call, fields = self.call, self.call.encoded.fields
        encoded = call.provider.encode_fields(
            {**fields, "documents": tuple(fields["documents"][index] for index in self._left)},
            model=call.model,
            base_model=self._base_model,
            echo_documents=False,
        )
        return make_call(call.provider, encoded, call.http.url, call.http.headers)

    def agrees(self, response: RerankResponse) -> bool:
        """Return whether the model that ranked now is the model of the cached scores: two models do not mix.

        Args:
            response: the response to the call that was made.
        """
        return not self._cached or response.model == self.call.model

    def merge(self, response: RerankResponse | None) -> RerankResponse:
        """Return the response to the whole call.

        Args:
            response: the response to the call that was left; None where there was none.
        """
        if not self._cached and response is not None:
            return response
        encoded = self.call.encoded
        rows: list[Row] = [{"index": index, "relevance_score": score} for index, score in self._cached.items()]
        lacking = set(self._every).difference(self._sent)
        if response is not None:
            rows += ({**row, "index": self._left[row["index"]]} for row in rows_of(response))
            lacking.update(self._left[index] for index in response.missing)
        rows.sort(key=lambda row: (-row["relevance_score"], row["index"]))
        return response_from_rows(
            rows[: encoded.fields["top_n"]],
            model=self.call.model,
            usage=NOTHING_PAID if response is None else response.usage,
            id=None if response is None else response.id,
            provider=self.call.provider.name,
            score_kind=encoded.model_info.score_kind if response is None else response.score_kind,
            warnings=() if response is None else response.warnings,
            missing=tuple(sorted(lacking)),
            losses=encoded.losses,
            cached=len(self._cached),
            fill=partial(fill_documents, encoded.fields),
        )

    def new_scores(self, response: RerankResponse | None) -> dict[str, float]:
        """Return the scores to cache, by key.

        There are none where the response has a warning, is of another model or kind of scores than declared; and none
        of a row with further fields of the provider, which the cache would lose.

        Args:
            response: the response to the call that was left; None where there was none.
        """
        if response is None or not self.keys or response.warnings or response.model != self.call.model:
            return {}
        if response.score_kind != self.call.encoded.model_info.score_kind:
            return {}
        plain = 3 if self.call.encoded.fields["return_documents"] else 2
        rows = [row for row in rows_of(response) if len(row) == plain]
        scores: dict[int, float] = {self._left[row["index"]]: row["relevance_score"] for row in rows}
        return {key: scores[index] for index, key in self.keys.items() if index in scores}


class CallsWithCache:
    """The calls of one attempt, of which a cache may spare some.

    Args:
        calls: the calls, one for each part of the request.
        about: the keywords of `CallWithCache`.

    Attributes:
        keys (Sequence[str]): the keys of the documents of all calls.
        new_scores (Mapping[str, float]): after `merge`, the scores to cache, by key.
    """

    def __init__(self, calls: Sequence[Call], **about: Unpack[About]) -> None:
        self._calls = [CallWithCache(call, **about) for call in calls]
        self._left: Sequence[Call | None] = calls
        self.keys: Sequence[str] = [key for call in self._calls for key in call.keys.values()]
        self.new_scores: Mapping[str, float] = {}

    def without(self, scores: Mapping[str, float]) -> Sequence[Call]:
        """Return the calls for the documents without a score; see `CallWithCache.without`.

        Args:
            scores: cached scores by key.
        """
        self._left = [call.without(scores) for call in self._calls]
        return [call for call in self._left if call is not None]

    def merge(self, responses: Sequence[RerankResponse]) -> list[RerankResponse] | None:
        """Return the responses to the whole calls; None where another model ranked than the one of the cached scores.

        Args:
            responses: the responses to the calls that were left, in their order.
        """
        in_order = iter(responses)
        pairs = [
            (call, None if left is None else next(in_order)) for call, left in zip(self._calls, self._left, strict=True)
        ]
        if not all(response is None or call.agrees(response) for call, response in pairs):
            return None
        self.new_scores = {key: score for call, one in pairs for key, score in call.new_scores(one).items()}
        return [call.merge(response) for call, response in pairs]


def _may_be_cached(call: Call, pointwise_models: frozenset[str]) -> bool:
    """Return whether a source, or the user, says that the model is pointwise, and nothing but scores is wanted."""
    model, fields = call.encoded.model_info, call.encoded.fields
    pointwise = model.pointwise or call.model in pointwise_models
    scores_alone = not fields["return_embeddings"] and model.score_kind != "none"
    return pointwise and not model.listwise and scores_alone and bool(_content(fields["query"]))


def _digest_of_request(call: Call, about: About) -> bytes:
    """Return the digest of all that may change a score, but for the document."""
    encoded, http = call.encoded, call.http
    fields: Mapping[str, Any] = encoded.fields
    parts = (
        (_version(), about["scope"], about["credentials"]),
        (call.provider.name, http.url, sorted(http.headers.items())),
        (encoded.model, about["base_model"], encoded.model_info.limits.document_tokens),
        [fields[name] for name in _FIELDS],
    )
    return sha256(dump(parts)).digest()


@cache
def _version() -> str:
    """Return this library's version: another one may write another text for the same document."""
    from importlib import metadata

    return metadata.version("rerank-unify")


def _content(document: str | Mapping[str, Any]) -> bytes | None:
    """Return the bytes that a document consists of; None where they are not at hand: an image behind a URL."""
    if not is_object(document):
        return _TEXT + str(document).encode()
    image = document.get("image")
    if image is not None and (not isinstance(image, str) or (":" in image and not is_data(image))):
        return None
    return _OBJECT + dump(document)


# --- stores ----------------------------------------------------------------------------------------------------------


class ScoreCache(ABC):
    """A store of scores. It is safe under threads; several clients may share it.

    A store that fails fails no request. The failure is counted and logged, and for ``pause`` seconds the store is not
    used, so that a lost store costs its timeout once in that time. Another store is a subclass with `read` and `write`.

    Args:
        pointwise_models: further models, as they are sent, that you know to score each document by itself, beside those
            that are declared.
        pause: seconds without the store after a failure, 0 or more.
        on_count: called with the counts of each read and of each failure, in its thread; its exceptions are logged.
        clock: the clock of ``pause``, in seconds.

    Raises:
        InvalidRequestError: an argument has a wrong value.
    """

    blocks: ClassVar[bool] = True
    """Whether `read` and `write` may wait; then `AsyncClient` runs them in a thread."""

    def __init__(
        self,
        *,
        pointwise_models: Iterable[str] = (),
        pause: float = 5.0,
        on_count: Counted | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_number(pause, "pause", "a number of seconds, 0 or more")
        if isinstance(pointwise_models, str):
            raise InvalidRequestError("pointwise_models: expected several names", field="pointwise_models")
        self.pointwise_models = frozenset(pointwise_models)
        self._pause, self._on_count, self._clock = pause, on_count, clock
        self._lock, self._counts, self._paused_until = Lock(), CacheCounts(), float("-inf")

    @abstractmethod
    def read(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the scores that the store has, by key. It may raise any exception.

        Args:
            keys: keys of pairs of query and document.
        """

    @abstractmethod
    def write(self, scores: Mapping[str, float]) -> None:
        """Store scores. It may raise any exception.

        Args:
            scores: finite scores by key.
        """

    @property
    def counts(self) -> CacheCounts:
        """What the cache has counted since it was made."""
        return self._counts

    def get_many(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the scores that are cached, by key; none where the store fails. It raises no exception.

        Args:
            keys: keys of pairs of query and document.
        """
        if not keys:
            return {}
        scores: Mapping[str, float] = self._attempt(self.read, keys) or {}
        hits = sum(key in scores for key in keys)
        self._count(CacheCounts(hits, len(keys) - hits))
        return scores

    def set_many(self, scores: Mapping[str, float]) -> None:
        """Cache scores. It raises no exception.

        Args:
            scores: finite scores by key.
        """
        if scores:
            self._attempt(self.write, scores)

    def close(self) -> None:  # noqa: B027 - most stores have nothing to close
        """Close the store's connections."""

    def _attempt(self, function: Callable[[Any], Any], argument: object) -> Any:
        if self._clock() < self._paused_until:
            return None
        try:
            return function(argument)
        except Exception as error:  # noqa: BLE001 - no failure of a store is the request's
            with self._lock:
                first = self._clock() >= self._paused_until
                self._paused_until = self._clock() + self._pause
            if first:  # the message may repeat a URL with its password
                LOG.warning("the score cache failed: %s; unused for %g s", type(error).__name__, self._pause)
            self._count(CacheCounts(errors=1))
            return None

    def _count(self, more: CacheCounts) -> None:
        with self._lock:
            self._counts = CacheCounts(*map(sum, zip(self._counts, more, strict=True)))
        if self._on_count is not None:
            try:
                self._on_count(more)
            except Exception:
                LOG.exception("a hook failed")


class MemoryScoreCache(ScoreCache):
    """A cache in the memory of this process. The entry that was used least recently leaves first.

    Args:
        max_entries: scores that are held, 1 or more; each takes about 360 bytes, measured at 100,000.
        ttl: seconds for which a score is held, above 0.
        pointwise_models: as `ScoreCache`.
        on_count: as `ScoreCache`.
        clock: the clock of ``ttl``, in seconds.

    Raises:
        InvalidRequestError: an argument has a wrong value.
        MissingExtraError: cachetools is not installed.

    Examples:
        >>> cache = ru.MemoryScoreCache(max_entries=10_000, ttl=600.0)
        >>> cache.set_many({"a key": 0.5})
        >>> cache.get_many(["a key", "another"])
        {'a key': 0.5}
        >>> cache.counts
        CacheCounts(hits=1, misses=1, errors=0)
    """

    blocks = False

    def __init__(
        self,
        *,
        max_entries: int = 100_000,
        ttl: float = 3600.0,
        pointwise_models: Iterable[str] = (),
        on_count: Counted | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(pointwise_models=pointwise_models, on_count=on_count, clock=clock)
        if type(max_entries) is not int or max_entries < 1:
            raise InvalidRequestError("max_entries: expected an integer, 1 or more", field="max_entries")
        check_number(ttl, "ttl", "a number of seconds above 0", above=True)
        try:
            from cachetools import TTLCache
        except ImportError:
            raise MissingExtraError("the cache needs cachetools: pip install 'rerank-unify[cache]'") from None
        self._scores: TTLCache[str, float] = TTLCache(max_entries, ttl, timer=clock)
        self._scores_lock = Lock()

    def read(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the scores that are held and not expired, by key."""
        with self._scores_lock:
            found = [(key, self._scores.get(key)) for key in keys]
        return {key: score for key, score in found if score is not None}

    def write(self, scores: Mapping[str, float]) -> None:
        """Hold scores by key."""
        with self._scores_lock:
            self._scores.update(scores)


class RedisScoreCache(ScoreCache):
    """A cache in Redis, which processes and machines share. It holds hashes and numbers, no text and no key.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with a password where the server has one.
        ttl: seconds for which a score is held, above 0; rounded to milliseconds. How many are held is a setting of the
            server: ``maxmemory`` with the policy ``allkeys-lru``.
        timeout: seconds for a connection, and for each read and write on it; above 0. The look-up of a host name is not
            limited.
        max_connections: connections that are open at the same time, 1 or more; further calls do without the cache.
        pointwise_models: as `ScoreCache`.
        pause: as `ScoreCache`.
        on_count: as `ScoreCache`.
        clock: as `ScoreCache`.

    Raises:
        InvalidRequestError: an argument has a wrong value.
        MissingExtraError: redis is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float = 3600.0,
        timeout: float = 0.05,
        max_connections: int = 100,
        pointwise_models: Iterable[str] = (),
        pause: float = 5.0,
        on_count: Counted | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(pointwise_models=pointwise_models, pause=pause, on_count=on_count, clock=clock)
        for name, seconds in (("ttl", ttl), ("timeout", timeout)):
            check_number(seconds, name, "a number of seconds above 0", above=True)
        try:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise MissingExtraError("the cache needs redis: pip install 'rerank-unify[redis]'") from None
        self._ttl_ms = max(1, round(ttl * 1000))
        try:
            self._redis: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped keywords
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),  # the default waits for seconds
                max_connections=max_connections,
            )
        except (ValueError, AttributeError):  # its message may repeat the URL with its password
            raise InvalidRequestError(
                "url: expected a URL of Redis: redis://, rediss:// or unix://", field="url"
            ) from None

    def read(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the scores that the server has, by key. A value that is no score counts as absent."""
        values = self._redis.mget([_PREFIX + key for key in keys])
        pairs = zip(keys, values, strict=True)
        return {key: _SCORE.unpack(value)[0] for key, value in pairs if value is not None and len(value) == _SCORE.size}

    def write(self, scores: Mapping[str, float]) -> None:
        """Store scores by key, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for key, score in scores.items():
                pipeline.set(_PREFIX + key, _SCORE.pack(score), px=self._ttl_ms)
            pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
