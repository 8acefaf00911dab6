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
    """An attempt begins.

    Attributes:
        provider: the provider's name.
        model: the model that is sent, on one line and of at most 200 characters.
        host: whom the connection is made to, with its port where it is not the scheme's own.
        number: which attempt of this `rerank`, from 0.
        documents: how many are sent.
        calls: in how many HTTP calls.
        timeout: seconds for all of it.
        losses: the canonical fields that the vendor does not get as asked.
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
        started: its beginning.
        seconds: how long it took.
        error: why there is no answer, or why it was not taken; None for a good answer or a cancelled attempt.
        cancelled: whether it was given up: the slower one of a hedge, or the caller's own cancellation.
        results: how many rows the answer has; None where there is none.
        usage: what the vendor reported; None where there is no answer.
        model: the vendor's word for the model that answered, redacted as in the response.
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
    """Whom to tell. What they raise is logged and hurts nobody's request.

    Attributes:
        started, ended: what is called with each beginning and end.
        idle: whether nobody among them wants to know of an attempt now, unless it fails.
    """

    started: Sequence[Started] = ()
    ended: Sequence[Ended] = ()
    idle: Callable[[], bool] = bool


class Observation:
    """One attempt, as its observers are told of it."""

    def __init__(self, observers: Observers, attempt: Attempt, calls: Sequence[Call], timeout: float) -> None:
        self._observers, self._attempt, self._calls, self._timeout = observers, attempt, calls, timeout
        self._began = time.monotonic()
        self._idle = observers.idle()
        if not self._idle:
            for tell in observers.started:
                _tell(tell, self._about)

    @cached_property
    def _about(self) -> AttemptStarted:
        calls = self._calls
        return AttemptStarted(
            provider=self._attempt.target.name,
            model=cut(one_line(calls[0].model), MODEL_LIMIT),  # a caller may have sent anything
            host=_host(calls[0].http.url),
            number=self._attempt.id,
            documents=sum(len(call.encoded.fields["documents"]) for call in calls),
            calls=len(calls),
            timeout=self._timeout,
            losses=tuple(dict.fromkeys(loss.field for call in calls for loss in call.losses)),
        )

    def ended(self, error: Exception | None, response: RerankResponse | None) -> None:
        """It led to an answer, or failed, or both: an answer that the policy does not take."""
        if self._idle and error is None:
            return
        seconds = time.monotonic() - self._began
        if response is None:
            self._tell(AttemptEnded(self._about, seconds, error))
        else:
            self._tell(
                AttemptEnded(
                    self._about, seconds, error, results=len(response), usage=response.usage, model=response.model
                )
            )

    def cancelled(self) -> None:
        """It was given up."""
        if not self._idle:
            self._tell(AttemptEnded(self._about, time.monotonic() - self._began, cancelled=True))

    def _tell(self, about: AttemptEnded) -> None:
        for tell in self._observers.ended:
            _tell(tell, about)


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    return urlsplit(url).netloc


def _tell(tell: Callable[..., object], about: AttemptStarted | AttemptEnded) -> None:
    try:
        tell(about)
    except Exception:
        LOG.exception("a hook failed")


# --- the log ---------------------------------------------------------------------------------------------------------


def log_idle() -> bool:
    """Whether only failures are logged."""
    return not LOG.isEnabledFor(logging.DEBUG)


def log_start(about: AttemptStarted) -> None:
    """A line for the beginning, at level DEBUG."""
    LOG.debug(
        "attempt %d: %s %s at %s, %d documents in %d calls",
        about.number, about.provider, about.model, about.host, about.documents, about.calls,
    )  # fmt: skip


def log_end(about: AttemptEnded) -> None:
    """A line for the end: DEBUG, or WARNING where it failed, with the error's class, status, code, id and wait alone.

    A vendor's sentence may repeat a word of a document, so it is not logged.
    """
    started = about.started
    if about.error is not None:
        LOG.warning(
            "attempt %d: %s %s failed after %.3f s: %s",
            started.number, started.provider, started.model, about.seconds, _named(about.error),
        )  # fmt: skip
    else:
        outcome = "was given up" if about.cancelled else "answered"
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
