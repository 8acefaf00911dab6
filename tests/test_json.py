"""The JSON writer: the same bytes, whichever library is installed."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orjson import dumps
from pydantic_core import PydanticSerializationError, to_json

from rerank_unify._json import dump

_NUMBERS = st.integers() | st.integers(2**62, 2**66) | st.floats()
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(_VALUES)
def test_both_json_writers_write_the_same_bytes(value: Any) -> None:
    assert dump(value) == to_json(value, inf_nan_mode="null")


@pytest.mark.parametrize("value", [2**64, {1: 2}, {"a": [{"b": b"c"}]}])
def test_pydantic_writes_what_orjson_refuses(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)
    assert dump(value) == to_json(value)


def test_a_lone_surrogate_is_an_error() -> None:
    with pytest.raises(PydanticSerializationError, match="surrogates"):
        dump({"a": "\ud83d"})


def test_without_orjson_the_output_is_the_same() -> None:
    code = (
        "import sys; sys.modules['orjson'] = None\n"
        "import rerank_unify as ru\n"
        "request = ru.RerankRequest(query='crème', documents=['a', {'n': 2**70, 'f': 1e-7}, '\\x00漢'], top_n=2)\n"
        "call = ru.provider('cohere').prepare(request, api_key='k')\n"
        'response = call.decode(200, {}, b\'{"results":[{"index":2,"relevance_score":1e-7}]}\')\n'
        "print(call.http.content, ru.provider('voyage').dump_response(response))"
    )
    completed = [
        subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True).stdout
        for lines in (code, code.partition("\n")[2])
    ]
    assert completed[0] == completed[1]
    assert json.loads(dump({"f": 1e-7})) == {"f": 1e-7}
    assert "1e-7" in completed[0]
