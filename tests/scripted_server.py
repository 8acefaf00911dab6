"""An HTTP server on the loopback that follows a script: a `Play` says what happens to one request, good or bad.

One thread runs one event loop for all connections. Nothing here waits for time to pass when a server is closed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from http.client import responses
from itertools import chain, count, repeat
from math import ceil
from threading import Condition, Thread
from typing import Any, Final, Literal, TypeAlias

from typing_extensions import Self

import rerank_unify as ru
from rerank_unify.canonical import as_text, select_fields

How: TypeAlias = Literal[
    "well",
    "close_before_answer",  # reads the request, then closes
    "close_mid_body",  # declares the whole length, sends half, closes
    "drip",  # one byte, a gap, one byte, ... to the end
    "endless",  # no length, and bytes until the client closes
    "endless_chunked",  # the same in chunks
    "garbage",  # no HTTP
    "gzip_bomb",  # the body after `inflated` spaces, gzipped: valid JSON for a client without a limit
    "html",  # a web page
    "redirect",  # 302 to `location`, or another status of 300 and more
    "reset",  # RST in place of a response
    "wrong_length",  # content-length `off` by so much: below 0 the connection stays open, above it is closed
]
JsonBody: TypeAlias = Mapping[str, Any] | list[Any]

PATIENCE: Final = 60.0  # seconds: the limit of every wait for a condition, longer than a busy machine needs
_MIB: Final = 1 << 20
_OWN_BODY: Final[Mapping[str, bytes]] = {
    "garbage": b"\x16\x03\x01 SSH-2.0-this is not HTTP\r\n\r\n",
    "html": b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Just a moment</h1></body></html>",
    "redirect": b"",
    "reset": b"",
    "close_before_answer": b"",
}
_OWN_HEADERS: Final[Mapping[str, dict[str, str]]] = {
    "html": {"content-type": "text/html; charset=utf-8"},
    "gzip_bomb": {"content-encoding": "gzip"},
    "endless_chunked": {"transfer-encoding": "chunked"},
}
_ENDLESS: Final = {"endless": b" " * 8192, "endless_chunked": b"2000\r\n" + b" " * 8192 + b"\r\n"}
_NO_HEAD: Final = frozenset(("close_before_answer", "garbage", "reset"))
_CLOSES: Final = _NO_HEAD | {"close_mid_body"}  # what is endless ends with the client alone
_CREDENTIALS: Final = ("authorization", "proxy-authorization", "x-api-key", "api-key", "cookie")


@dataclass(frozen=True, kw_only=True)
class Play:
    """What happens to one request. `Play()` is a good response.

    Attributes:
        status: the HTTP status.
        headers: further headers, names in lower case; they replace the server's default headers.
        body: raw, or JSON; None for the body that the server's `respond` makes, or from status 300 on for a JSON error.
        how: ``well``, or the kind of misbehaviour.
        delay: seconds until the response begins; `release` and the end of the server end it.
        gap: seconds between the bytes of a drip.
        off: by how much a wrong length is wrong.
        inflated: bytes that a bomb inflates to, at least; on the wire it is a thousandth.
        location: where a redirect leads.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | JsonBody | None = None
    how: How = "well"
    delay: float = 0
    gap: float = 0.01
    off: int = -1
    inflated: int = 64 * _MIB
    location: str = ""


Respond: TypeAlias = Callable[[Any], JsonBody | Play]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived: header names in lower case, `json` None where the body is none, `at` monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: Any
    at: float
    connection: int

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that carry a key."""
        return {name: self.headers[name] for name in _CREDENTIALS if name in self.headers}


# --- a provider's good responses ------------------------------------------------------------------------------


def score(text: str) -> float:
    """Return a document's score, 0 to 1, which depends on its text alone."""
    return zlib.crc32(text.encode()) / 2**32


def respond_as(name: str) -> Respond:
    """Make responses in that provider's dialect: each document has its `score`; a faulty request gets an error."""
    provider = ru.provider(name)

    def respond(body: Any) -> JsonBody | Play:
        try:
            request = provider.decode_request(body)
        except ru.InvalidRequestError as error:
            status, headers, body = provider.encode_error(error)
            return Play(status=status, headers=headers, body=body)
        texts = [_text(document, request.rank_fields, at) for at, document in enumerate(request.documents)]
        results: list[ru.Result] = []
        for index in sorted(range(len(texts)), key=lambda at: -score(texts[at]))[: request.top_n]:
            document = request.documents[index]
            shown = {"text": document} if isinstance(document, str) else document
            results.append(ru.Result(index, score(texts[index]), shown if request.return_documents else None))
        usage = ru.Usage(total_tokens=sum(map(len, texts)), search_units=ceil(len(texts) / 100))
        response = ru.RerankResponse(results, model=provider.default_model, id="id-1", usage=usage)
        return provider.encode_response(response, request)

    return respond


def _text(document: str | Mapping[str, Any], rank_fields: Sequence[str] | None, index: int) -> str:
    return document if isinstance(document, str) else as_text(select_fields(document, rank_fields, index), index)


# --- what goes over the wire -----------------------------------------------------------------------------------------


def _raw(body: bytes | JsonBody | None) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


@cache
def _bomb(inflated: int, tail: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * _MIB) for _ in range(-(-inflated // _MIB))) + (
        packer.compress(tail) + packer.flush()
    )


def _wire(play: Play) -> Iterable[bytes]:
    """Return the bytes of a response, in the pieces that are sent."""
    how, body = play.how, _raw(play.body)
    if how in _NO_HEAD:
        return (body,)
    if how == "gzip_bomb":
        body = _bomb(play.inflated, body)
    length = str(len(body) + (play.off if how == "wrong_length" else 0))
    defaults = {"content-type": "application/json", **({} if how in _ENDLESS else {"content-length": length})}
    defaults |= {"location": play.location} if how == "redirect" else _OWN_HEADERS.get(how, {})
    status = 302 if how == "redirect" and play.status < 300 else play.status
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{k}: {v}" for k, v in {**defaults, **play.headers}.items())]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if how in _ENDLESS:
        return chain((head,), repeat(_ENDLESS[how]))
    if how == "drip":
        return (bytes((byte,)) for byte in head + body)
    return (head + (body[: len(body) // 2] if how == "close_mid_body" else body),)


def _phrase(status: int) -> str:
    return responses.get(status, "Unknown")


async def _read(reader: asyncio.StreamReader, first: bytes, connection: int) -> Seen:
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip().split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    parsed: Any = None
    with suppress(ValueError):
        parsed = json.loads(body)
    return Seen(method, path, headers, body, parsed, time.monotonic(), connection)


async def _heard(reader: asyncio.StreamReader) -> bytes:
    """The next request's first byte, or nothing once the client has left."""
    with suppress(ConnectionError):
        return await reader.read(1)
    return b""


_RESERVED: Final = socket.socket()  # bound for as long as the tests run, so that no other server gets the port
_RESERVED.bind(("127.0.0.1", 0))


def no_server_listens() -> str:
    """The URL of a port that refuses every connection."""
    return f"http://127.0.0.1:{_RESERVED.getsockname()[1]}"


# --- the server ------------------------------------------------------------------------------------------------------


class ScriptedServer:
    """Listens on a free port of 127.0.0.1 between ``with`` and its end.

    Args:
        script: one play per request, or such a script by path (any other path is 404). After its end the server sends
            good responses if `respond` is given or the script was empty, else it repeats the last play.
        respond: makes the good responses from the JSON that was sent; by default in Jina's dialect. An exception that
            it raises is raised again at the end of the ``with``.
        tls: for HTTPS.

    Attributes:
        url: the root, without a slash.
        calls: every request that has arrived, in order.
        left: how often a client closed the connection before its response was complete.
        peak: the largest number of requests that waited for their responses to begin at the same time.
    """

    def __init__(
        self,
        script: Sequence[Play] | Mapping[str, Sequence[Play]] = (),
        *,
        respond: Respond | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        again = respond is None
        self._scripts: dict[str | None, Iterator[Play]] = (
            {path: _endless(plays, again=again) for path, plays in script.items()}
            if isinstance(script, Mapping)
            else {None: _endless(script, again=again)}
        )
        self._respond = respond or respond_as("jina")
        self._tls = tls
        self._changed = Condition()
        self._connections = count()
        self._conversations: list[asyncio.Task[None]] = []
        self._accepted: list[socket.socket] = []
        self._open_connections = 0
        self.calls: list[Seen] = []
        self.left = 0
        self.peak = self._waiting = 0

    def __enter__(self) -> Self:
        # The longest queue that the system has: where it is full, a client waits a second and more for its connection.
        listening = socket.create_server(("127.0.0.1", 0), backlog=socket.SOMAXCONN)
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{listening.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="scripted")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(listening), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            for accepted in self._accepted:  # what a cancelled task never gave to a transport
                accepted.close()
            self._loop.close()

    def wait_calls(self, number: int = 1, timeout: float = PATIENCE) -> list[Seen]:
        """Wait for so many calls. Blocks: from async code call it in a thread."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= number, timeout), f"{len(self.calls)} calls"
            return [*self.calls]

    def wait_left(self, number: int = 1, timeout: float = PATIENCE) -> None:
        """Wait until so many clients have closed the connection before their responses were complete. Blocks."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.left >= number, timeout), f"{self.left} have left"

    def wait_disconnected(self, timeout: float = PATIENCE) -> None:
        """Wait until no connection is open, however far its request came. Blocks."""
        with self._changed:
            idle = self._changed.wait_for(lambda: not self._open_connections, timeout)
            assert idle, f"{self._open_connections} connections are open"

    def release(self) -> None:
        """End all delays and gaps, those to come too."""
        self._loop.call_soon_threadsafe(self._released.set)

    # --- in the server's thread

    async def _open(self, listening: socket.socket) -> None:
        self._released = asyncio.Event()
        self._listening = listening
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    async def _close(self) -> None:
        self._loop.remove_reader(self._listening)
        self._listening.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
        for conversation in self._conversations:
            if not conversation.cancelled():
                conversation.result()

    def _accept(self) -> None:
        # Not `asyncio.start_server`: it loses a socket whose task is cancelled before its first step.
        with suppress(OSError):
            accepted, _ = self._listening.accept()
            self._accepted.append(accepted)
            with self._changed:
                self._open_connections += 1
            self._conversations.append(self._loop.create_task(self._host(accepted)))

    async def _host(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader(_MIB)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            with suppress(OSError):  # a client that leaves while TLS is agreed
                transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, accepted, ssl=self._tls)
                await self._serve(reader, asyncio.StreamWriter(transport, protocol, reader, self._loop))
        finally:
            with self._changed:
                self._open_connections -= 1
                self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = next(self._connections)
        first = await _heard(reader)
        while first:
            seen = await _read(reader, first, connection)
            with self._changed:
                self.calls.append(seen)
                self._changed.notify_all()
            playing = asyncio.create_task(self._play(self._next(seen), writer))
            hearing = asyncio.create_task(_heard(reader))
            await asyncio.wait((playing, hearing), return_when=asyncio.FIRST_COMPLETED)
            if not playing.done() and not hearing.result():
                playing.cancel()
                stays = None
            else:
                stays = await playing
            if stays is None:
                with self._changed:
                    self.left += 1
                    self._changed.notify_all()
            if not stays or seen.headers.get("connection", "").lower() == "close":
                hearing.cancel()
                return
            first = await hearing

    def _next(self, seen: Seen) -> Play:
        plays = self._scripts.get(None) or self._scripts.get(seen.path.partition("?")[0])
        play = Play(status=404) if plays is None else next(plays)
        if play.body is not None:
            return play
        if play.how in _OWN_BODY:
            return replace(play, body=_OWN_BODY[play.how])
        if play.status >= 300:
            return replace(play, body={"detail": _phrase(play.status)})
        good = self._respond(seen.json)
        if isinstance(good, Play):
            return replace(
                play, status=good.status, headers=good.headers, body=good.body, delay=play.delay or good.delay
            )
        return replace(play, body=good)

    async def _play(self, play: Play, writer: asyncio.StreamWriter) -> bool | None:
        """Whether the connection stays open; None where the client left before the end."""
        self._waiting += 1
        self.peak = max(self.peak, self._waiting)
        try:
            await self._pause(play.delay)
        finally:
            self._waiting -= 1
        try:
            for piece in _wire(play):
                writer.write(piece)
                await writer.drain()
                await self._pause(play.gap if play.how == "drip" else 0)
        except ConnectionError:
            return None
        if play.how == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return play.how not in _CLOSES and not (play.how == "wrong_length" and play.off > 0)

    async def _pause(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await (asyncio.wait_for(self._released.wait(), seconds) if seconds else asyncio.sleep(0))


def _endless(script: Sequence[Play], *, again: bool) -> Iterator[Play]:
    return chain(script, repeat(script[-1] if again and script else Play()))
