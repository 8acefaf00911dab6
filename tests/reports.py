"""Failures from public reports, each with what a client has to get in Python, through the gateway and by SDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scripted_server import Play


@dataclass(frozen=True)
class Failure:
    """How a provider fails, and the class of error that it is.

    Attributes:
        provider: the first of two targets; the second one ranks.
        play: what its server sends.
        error: the class of the error.
        words: what the message says.
    """

    provider: str
    play: Play
    error: str
    words: str = ""


def _vllm(status: int, message: str, kind: str) -> Play:
    return Play(status=status, body={"error": {"message": message, "type": kind, "param": None, "code": status}})


def _pydantic(kind: str, *where: str | int) -> Play:
    return Play(status=422, body={"detail": [{"type": kind, "loc": ["body", *where], "msg": "too long", "input": "…"}]})


FAILURES: Final = {
    "vLLM, too many tokens": Failure(
        "vllm",
        _vllm(400, "This model's maximum context length is 512 tokens. However, you requested 699.", "BadRequestError"),
        "RequestTooLargeError",
    ),
    "Infinity, too many documents": Failure("infinity", _pydantic("too_long", "documents"), "RequestTooLargeError"),
    "Infinity, a document too long": Failure(
        "infinity", _pydantic("string_too_long", "documents", 3), "RequestTooLargeError"
    ),
    "Baidu, too many documents under 200": Failure(
        "qianfan",
        Play(body={"error_code": 336221, "error_msg": "max number of documents is 64"}),
        "RequestTooLargeError",
    ),
    "vLLM, an unknown model": Failure(
        "vllm", _vllm(404, "The model `x` does not exist.", "NotFoundError"), "ModelNotFoundError"
    ),
    "a 422 that names the model": Failure(
        "xinference",
        Play(status=422, body={"detail": [{"loc": ["body", "model"], "msg": "unknown", "type": "value_error"}]}),
        "ModelNotFoundError",
    ),
    "an undeclared code under 200": Failure(
        "siliconflow",
        Play(body={"code": 20099, "message": "The service is not available.", "data": None}),
        "ProviderServerError",
        "The service is not available.",
    ),
    "the word None as a code": Failure(
        "litellm",
        Play(status=500, body={"error": {"message": "it failed", "type": "None", "param": "None", "code": "None"}}),
        "ProviderServerError",
        "it failed",
    ),
    "a redirect": Failure(
        "jina",
        Play(status=308, headers={"location": "https://elsewhere.example/v1/rerank?key=k"}, body=b""),
        "WrongEndpointError",
        "elsewhere.example",
    ),
    "another path": Failure("jina", Play(status=404, body={"detail": "Not Found"}), "WrongEndpointError", "/v1/rerank"),
    "gzip that is none": Failure(
        "jina", Play(headers={"content-encoding": "gzip"}, body=b"{}"), "InvalidResponseError", "not compressed"
    ),
}
"""Failures by name. In a chain each one leads to the next target, after one call."""
