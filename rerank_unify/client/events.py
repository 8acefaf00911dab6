"""What others may watch: the log, hooks of the caller's own, and spans. None sees a query, a document or a key."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from .._provider import Call
from ..canonical import RerankResponse, Usage
from ..errors import MODEL_LIMIT, RerankError, cut, one_line
from ..fallback import Attempt

LOG: Final = logging.getLogger("rerank_unify")
LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, eq=False)
class AttemptStarted:
    """An attempt starts.

    Attributes:
        provider: the provider's name.
        model: the model that is sent, on one line and of at most 200 characters.
        host: the host of the URL, with its port where the URL has one.
        number: the number of the attempt in this `rerank`, zero-based.
        documents: how many documents are sent.
        calls: the number of HTTP calls.
        timeout: seconds for the attempt.
        losses: the canonical fields that the provider does not receive as given.
    """

    provider: str
    model: str
    host: str
    number: int
    documents: int
    calls: int
    timeout: float
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AttemptEnded:
    """An attempt has ended; each `AttemptStarted` has one, and ``started`` is that very object.

    Attributes:
        started: the event of its start.
        seconds: how long the attempt took.
        error: why there is no response, or why the policy refused it; None for an accepted response or a cancelled
            attempt.
        cancelled: whether the attempt was cancelled: by a faster hedge, or with the task that called `rerank`.
        results: the number of results; None where there is no response.
        usage: the usage that the provider reported; None where there is no response.
        model: the model that ranked, as the provider names it, redacted as in the response.
    """

    started: AttemptStarted
    seconds: float
    error: Exception | None = None
    cancelled: bool = False
    results: int | None = None
    usage: Usage | None = None
    model: str | None = None


Started: TypeAlias = Callable[[AttemptStarted], object]
Ended: TypeAlias = Callable[[AttemptEnded], object]


@dataclass(frozen=True, slots=True)
class Observers:
    """The functions that are called for each attempt. An exception of such a function is logged and changes no request.

    Attributes:
        started, ended: the functions that are called when an attempt starts and when it ends.
        idle: tells whether all of them ignore attempts now, except failed ones.
    """

    started: Sequence[Started]
    ended: Sequence[Ended]
    idle: Callable[[], bool]


class Observation:
    """Feeds the observers with the start and the end of an attempt."""

    def __init__(self, observers: Observers, attempt: Attempt, calls: Sequence[Call], timeout: float) -> None:
        self._observers, self._attempt, self._calls, self._timeout = observers, attempt, calls, timeout
        self._began = time.monotonic()
        self._idle = observers.idle()
        if not self._idle:
            for observer in observers.started:
                _notify(observer, self._about)

    @cached_property
    def _about(self) -> AttemptStarted:
        calls = self._calls
        return AttemptStarted(
            provider=self._attempt.target.name,
            model=cut(one_line(calls[0].model), MODEL_LIMIT),  # the request may contain any model name
            host=_host(calls[0].http.url),
            number=self._attempt.id,
            documents=sum(len(call.encoded.fields["documents"]) for call in calls),
            calls=len(calls),
            timeout=self._timeout,
            losses=tuple(dict.fromkeys(loss.field for call in calls for loss in call.losses)),
        )

    def ended(
        self, error: Exception | None, response: RerankResponse | None = None, *, cancelled: bool = False
    ) -> None:
        """Report a response, an error, or both: a response that the policy refused."""
        if self._idle and error is None:
            return
        about = AttemptEnded(
            self._about,
            time.monotonic() - self._began,
            error,
            cancelled,
            results=None if response is None else len(response),
            usage=None if response is None else response.usage,
            model=None if response is None else response.model,
        )
        for observer in self._observers.ended:
            _notify(observer, about)


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    return urlsplit(url).netloc


def _notify(observer: Callable[..., object], about: AttemptStarted | AttemptEnded) -> None:
    try:
        observer(about)
    except Exception:
        LOG.exception("a hook failed")


# --- the log ---------------------------------------------------------------------------------------------------------


def log_idle() -> bool:
    """Return whether only failures are logged."""
    return not LOG.isEnabledFor(logging.DEBUG)


def never_idle() -> bool:
    """Return False: a hook needs every attempt."""
    return False


def log_start(about: AttemptStarted) -> None:
    """Log the start of an attempt at level DEBUG."""
    LOG.debug(
        "attempt %d: %s %s at %s, %d documents in %d calls",
        about.number, about.provider, about.model, about.host, about.documents, about.calls,
    )  # fmt: skip


def log_end(about: AttemptEnded) -> None:
    """Log the end of an attempt: at DEBUG, or at WARNING where it failed.

    An error is logged by its class, status, code, request id and wait. The provider's message may repeat a document, so
    it is not logged.
    """
    started = about.started
    if about.error is not None:
        LOG.warning(
            "attempt %d: %s %s failed after %.3f s: %s",
            started.number, started.provider, started.model, about.seconds, _named(about.error),
        )  # fmt: skip
    else:
        outcome = "was cancelled" if about.cancelled else "succeeded"
        LOG.debug(
            "attempt %d: %s %s %s after %.3f s",
            started.number, started.provider, started.model, outcome, about.seconds,
        )  # fmt: skip


def _named(error: Exception) -> str:
    if not isinstance(error, RerankError):
        return type(error).__name__
    status = f"HTTP {error.status}" if error.status is not None else None
    wait = f"retry after {_plain(error.retry_after)} s" if error.retry_after is not None else None
    about = [part for part in (status, error.code, error.request_id, wait) if part]
    return f"{type(error).__name__} ({', '.join(about)})" if about else type(error).__name__


def _plain(seconds: float) -> str:
    """Seconds without an exponent: ``%g`` writes a million as 1e+06."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
