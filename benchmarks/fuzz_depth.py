"""Can 10 MB of brackets hold a process up? ``python benchmarks/fuzz_depth.py``; exit code 1 on a FAIL.

Whatever a vendor sends, reading it is to end soon, and in the library's own error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Final

import cases
from timing import Bar, judge, machine, print_table

from rerank_unify import Call, RerankError, RerankRequest, Sent, Transcoder, provider, transcoder

SIZE: Final = 10_000_000
RULE: Final = "10 MB of nested brackets <= 1 s, under status 200 and 500"
STATUSES: Final = (200, 500)
_ALLOWED: Final = 150  # levels that the parser takes; it gives up at about 200


def bodies() -> dict[str, bytes]:
    """Bodies of about 10 MB: deeper than the parser goes, closed and not, and as deep as it does, over and over."""
    half = SIZE // 2
    closed = b"[" * half + b"]" * half
    opening = b'{"a":'
    shallow = b"[" * _ALLOWED + b"]" * _ALLOWED
    many = b"[" + b",".join([shallow] * (SIZE // (len(shallow) + 1))) + b"]"
    return {
        "[[[[": b"[" * SIZE,
        "[[]]": closed,
        '{"a":{"a":': opening * (SIZE // len(opening)),
        '{"a":{}}': opening * (SIZE // 6) + b"1" + b"}" * (SIZE // 6),
        '[[{"a":[[{"a":': b'[[{"a":' * (SIZE // 7),
        '{"results":[[]]}': b'{"results":' + closed + b"}",
        '{"results":[],"x":[[]]}': b'{"results":[],"data":[],"x":' + closed + b"}",
        '{"message":[[]]}': b'{"message":' + closed + b',"detail":1}',
        f"[[]] {_ALLOWED} deep, many": many,
        f'{{"results":[[]]}} {_ALLOWED} deep, many': b'{"results":' + many + b',"data":1}',
        f'{{"detail":[[]]}} {_ALLOWED} deep, many': b'{"detail":' + many + b',"message":' + many[: SIZE // 100] + b"1}",
    }


def _seconds(work: Callable[[], object]) -> tuple[float, str]:
    start = perf_counter()
    try:
        work()
        outcome = "an answer"
    except RerankError as error:
        outcome = type(error).__name__
    return perf_counter() - start, outcome


def _measure(call: Call, back: Transcoder, sent: Sent, body: bytes, status: int) -> tuple[float, float, str]:
    decode, outcome = _seconds(lambda: call.decode(status, {}, body))
    through, _ = _seconds(lambda: back.response(status, {}, body, sent))
    return decode, through, outcome


def main() -> int:
    """Measure, print, judge."""
    print(machine())
    request = RerankRequest(query=cases.QUERY, documents=cases.texts(1_000))
    vendors: list[tuple[Call, Transcoder]] = [
        (provider(vendor).prepare(request, api_key="k"), transcoder("jina", vendor)) for vendor in cases.VENDORS
    ]
    bars: list[Bar] = []
    rows: list[list[str]] = []
    for name, body in bodies().items():
        for status in STATUSES:
            case = f"{status} {name}"
            told = [_measure(call, back, back.request(request.to_json()), body, status) for call, back in vendors]
            decode, through = max(each[0] for each in told), max(each[1] for each in told)
            rows.append([case, f"{decode * 1e3:.1f}", f"{through * 1e3:.1f}", " ".join(sorted({t[2] for t in told}))])
            bars += [Bar(RULE, f"{case}, decode", decode, f"{decode:.3f} s")]
            bars += [Bar(RULE, f"{case}, back", through, f"{through:.3f} s")]
    print_table(
        f"10 MB of nested brackets, milliseconds for one call, the slowest of {', '.join(cases.VENDORS)}",
        ["answer", "decode", "back", "outcome"],
        rows,
    )
    return judge(bars)


if __name__ == "__main__":
    sys.exit(main())
