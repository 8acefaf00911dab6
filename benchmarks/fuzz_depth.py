"""Can 10 MB of brackets hold a process up? ``python benchmarks/fuzz_depth.py``; exit code 1 on a FAIL.

Whatever a provider sends, reading it is to end soon, and in the library's own error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Final

import cases
from pydantic_core import from_json
from timing import Bar, judge, machine, print_table

from rerank_unify import Call, RerankError, RerankRequest, TranscodedRequest, Transcoder, transcoder
from rerank_unify import provider as provider_by_name

SIZE: Final = 10_000_000
RULE: Final = "10 MB of nested brackets <= 1 s, under status 200 and 500"
STATUSES: Final = (200, 500)
_SHALLOW_SIZE: Final = 1_000_000
_ALLOWED: Final = 150  # levels that the parser takes; it gives up at about 200


def bodies() -> dict[str, bytes]:
    """Bodies of 10 MB that are nested deeper than the parser goes, closed and not, alone and where rows should be."""
    half = SIZE // 2
    closed = b"[" * half + b"]" * half
    opening = b'{"a":'
    return {
        "[[[[": b"[" * SIZE,
        "[[]]": closed,
        '{"a":{"a":': opening * (SIZE // len(opening)),
        '{"a":{}}': opening * (SIZE // 6) + b"1" + b"}" * (SIZE // 6),
        '[[{"a":[[{"a":': b'[[{"a":' * (SIZE // 7),
        '{"results":[[]]}': b'{"results":' + closed + b"}",
        '{"results":[],"x":[[]]}': b'{"results":[],"data":[],"x":' + closed + b"}",
        '{"message":[[]]}': b'{"message":' + closed + b',"detail":1}',
    }


def shallow_bodies() -> dict[str, bytes]:
    """Bodies that parse: as deep as the parser goes, over and over. The time is the parser's, for a million lists."""
    nested = b"[" * _ALLOWED + b"]" * _ALLOWED
    many = b"[" + b",".join([nested] * (_SHALLOW_SIZE // (len(nested) + 1))) + b"]"
    return {
        "[[[]],...]": many,
        '{"results":[[[]],...]}': b'{"results":' + many + b"}",
        '{"detail":[[[]],...]}': b'{"detail":' + many + b"}",
    }


def _seconds(work: Callable[[], object]) -> tuple[float, str]:
    start = perf_counter()
    try:
        work()
        outcome = "an answer"
    except RerankError as error:
        outcome = type(error).__name__
    return perf_counter() - start, outcome


def _measure(
    call: Call, back: Transcoder, sent: TranscodedRequest, body: bytes, status: int
) -> tuple[float, float, str]:
    decode, outcome = _seconds(lambda: call.decode(status, {}, body))
    through, _ = _seconds(lambda: back.response(status, {}, body, sent))
    return decode, through, outcome


def main() -> int:
    """Measure, print, judge."""
    print(machine())
    request = RerankRequest(query=cases.QUERY, documents=cases.texts(1_000))
    providers: list[tuple[Call, Transcoder]] = [
        (provider_by_name(provider).prepare(request, api_key="k"), transcoder("jina", provider))
        for provider in cases.PROVIDERS
    ]
    bars: list[Bar] = []
    rows: list[list[str]] = []
    for name, body in bodies().items():
        for status in STATUSES:
            case = f"{status} {name}"
            measured = [_measure(call, back, back.request(request.to_json()), body, status) for call, back in providers]
            decode, through = max(each[0] for each in measured), max(each[1] for each in measured)
            rows.append(
                [case, f"{decode * 1e3:.1f}", f"{through * 1e3:.1f}", " ".join(sorted({t[2] for t in measured}))]
            )
            bars += [Bar(RULE, f"{case}, decode", decode, f"{decode:.3f} s")]
            bars += [Bar(RULE, f"{case}, back", through, f"{through:.3f} s")]
    print_table(
        f"10 MB of nested brackets, milliseconds for one call, the slowest of {', '.join(cases.PROVIDERS)}",
        ["answer", "decode", "back", "outcome"],
        rows,
    )
    show_shallow_bodies(providers[0])
    return judge(bars)


def show_shallow_bodies(provider: tuple[Call, Transcoder]) -> None:
    """How often the library parses what parses: 1 x is once."""
    call, back = provider
    sent = back.request(call.request.to_json())
    rows: list[list[str]] = []
    for name, body in shallow_bodies().items():
        for status in STATUSES:
            rounds: list[tuple[float, float, float]] = []
            for _ in range(5):
                parse, _outcome = _seconds(lambda: from_json(body))  # noqa: B023 - called at once
                rounds.append((parse, *_measure(call, back, sent, body, status)[:2]))
            parse, decode, through = (median(each[column] for each in rounds) for column in range(3))
            cells = [f"{seconds * 1e3:.0f}" for seconds in (parse, decode, through)]
            rows.append([f"{status} {name}", *cells, f"{median(d / p for p, d, _ in rounds):.1f}x"])
    head = ["answer", "from_json", "decode", "back", "decode by from_json"]
    print_table(
        f"1 MB of brackets {_ALLOWED} deep, milliseconds for one call of {call.provider.name} (no bar)", head, rows
    )


if __name__ == "__main__":
    sys.exit(main())
