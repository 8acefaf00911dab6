"""Convert a recorded response of Voyage in a unit test and compare it with Jina's JSON."""

import rerank_unify as ru

REQUEST = ru.RerankRequest(query="Apple", documents=["a banana", "an apple", "a car"], top_n=2)

RECORDED = b"""{"object": "list", "model": "rerank-2.5", "usage": {"total_tokens": 26},
  "data": [{"index": 1, "relevance_score": 0.8}, {"index": 0, "relevance_score": 0.4}]}"""


def test_voyage_becomes_jina() -> None:
    """The documents come from the request: Voyage was not asked to return them."""
    response = ru.provider("voyage").prepare(REQUEST, api_key="pa-0123456789").decode(200, {}, RECORDED)
    assert response.to_dict() == {
        "model": "rerank-2.5",
        "object": "list",
        "usage": {"total_tokens": 26, "prompt_tokens": 26, "completion_tokens": 0},
        "results": [
            {"index": 1, "relevance_score": 0.8, "document": {"text": "an apple"}},
            {"index": 0, "relevance_score": 0.4, "document": {"text": "a banana"}},
        ],
    }


def test_a_recorded_error_is_typed() -> None:
    """Status, headers and body are all that decoding needs."""
    error = ru.provider("voyage").decode_error(429, {"retry-after": "7"}, b'{"detail": "Too many requests"}')
    assert isinstance(error, ru.RateLimitError)
    assert (error.retryable, error.retry_after) == (True, 7.0)
