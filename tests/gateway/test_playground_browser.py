"""The playground in a real browser, on a real gateway with scripted providers; skipped where there is no browser.

`make browser` installs playwright and a browser, and runs this file.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, no_server_listens

from rerank_unify.gateway.auth import hash_of

from .helpers import KEY, NEVER, PROVIDER_KEY
from .process import running

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser")
expect = sync_api.expect
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

QUERY = "skin"
DOCUMENTS = ("motor oil", "<img src=x onerror=alert(1)>", "aloe vera cream")
SCORES = {"good": (0.1, 0.2, 0.9), "other": (0.3, 0.8, 0.4)}
NAMES = ("good", "other", "busy", "down", "fifth")


@pytest.fixture(scope="module")
def browser() -> Generator[Any, None, None]:
    with sync_api.sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(found).exists():
            pytest.skip("there is no browser: make browser")
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture
def config(tmp_path: Path) -> Generator[Path, None, None]:
    """Settings with a route per name: two good ones, one with HTTP 429, and two that no server serves."""
    bodies = [ranking(*scores) for scores in SCORES.values()]
    busy = Play(status=429, headers={"retry-after": "7"}, body={"detail": "slow down, please"})
    servers = [ScriptedServer([play]) for play in (*(Play(body=body) for body in bodies), busy)]
    with servers[0], servers[1], servers[2]:
        urls = (*(server.url for server in servers), no_server_listens(), no_server_listens())
        lines = map(route, NAMES, urls)
        path = tmp_path / "gateway.toml"
        path.write_text(f"{''.join(lines)}upstream.retries = 0\n")
        yield path


def route(name: str, url: str) -> str:
    return f'models.{name}.targets = [{{ provider = "jina", base_url = "{url}", key_env = "UPSTREAM_KEY" }}]\n'


def ranking(*scores: float) -> dict[str, Any]:
    results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    return {"model": "a-model", "results": results, "usage": {"total_tokens": 7}}


@contextmanager
def opened(browser: Any, port: int, **options: Any) -> Generator[Any, None, None]:
    """Open the page; at the end, no script has failed and the policy has refused nothing."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    faults: list[str] = []

    def note_error(error: Any) -> None:
        faults.append(str(error))

    def note_message(message: Any) -> None:
        if "Content Security" in message.text:
            faults.append(message.text)

    def note_request(request: Any) -> None:
        if not request.url.startswith(f"http://127.0.0.1:{port}/"):
            faults.append(request.url)

    page.on("pageerror", note_error)
    page.on("console", note_message)
    page.on("request", note_request)
    page.goto(f"http://127.0.0.1:{port}/")
    yield page
    context.close()
    assert faults == []


def fill(page: Any, *names: str) -> None:
    page.get_by_label("Query").fill(QUERY)
    page.get_by_label("Documents").fill("\n\n".join(DOCUMENTS))
    for name in NAMES:
        page.get_by_label(name, exact=True).uncheck()
    for name in names:
        page.get_by_label(name, exact=True).check()


def compare(page: Any) -> None:
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("status")).to_contain_text("3 documents")


def column(page: Any, name: str) -> Any:
    return page.get_by_role("article", name=name, exact=True)


def texts(page: Any, name: str) -> list[str]:
    found: list[str] = column(page, name).locator(".text").all_text_contents()
    return found


def test_rankings_and_an_error_stand_side_by_side(browser: Any, config: Path) -> None:
    with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
        fill(page, "good", "other", "busy", "down")
        expect(page.get_by_label("fifth")).to_be_disabled()
        compare(page)
        assert texts(page, "good") == [DOCUMENTS[2], DOCUMENTS[1], DOCUMENTS[0]]
        assert texts(page, "other") == [DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[0]]
        expect(column(page, "good")).to_contain_text("jina · a-model")
        expect(column(page, "good")).to_contain_text(re.compile(r"\d ms · 7 tokens"))
        expect(column(page, "busy").get_by_role("alert")).to_have_text(
            "HTTP 429slow down, pleaseTry again after 7 seconds."
        )
        expect(column(page, "down").get_by_role("alert")).to_contain_text("HTTP 502")
        # Names are sorted: busy, down, good, other. A line for each document is between the last two alone.
        assert page.locator(".lines path").count() == len(DOCUMENTS)
        bars = column(page, "good").locator(".bar span").evaluate_all("bars => bars.map(bar => bar.style.width)")
        assert [round(float(width.rstrip("%"))) for width in bars] == [100, 22, 11]
        column(page, "good").locator(".row").first.hover()
        assert page.locator(".row.marked .text").all_text_contents() == [DOCUMENTS[2]] * 2
        expect(page.locator("path.marked")).to_have_count(1)
        column(page, "good").locator(".row").first.click()  # shows the whole text, and draws the lines anew
        expect(page.locator(".row[aria-expanded=true]")).to_have_count(2)
        expect(page.locator("path.marked")).to_have_count(1)
        column(page, "other").get_by_text("Request to jina").click()
        sent = column(page, "other").locator("pre").text_content()
        assert sent.startswith("POST …/v1/rerank\n")
        assert "authorization: …" in sent
        assert DOCUMENTS[1] in sent
        assert PROVIDER_KEY not in page.content()
        assert page.locator("img").count() == 0


def test_the_page_prompts_for_the_key(browser: Any, config: Path) -> None:
    config.write_text(f'keys.tests = "{hash_of(KEY)}"\n{config.read_text()}')
    with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
        prompt = page.get_by_role("dialog")
        expect(prompt).to_be_visible()
        prompt.get_by_label("Gateway key").fill("wrong")
        prompt.get_by_role("button", name="Use the key").click()
        expect(prompt).to_contain_text("unknown API key")
        prompt.get_by_label("Gateway key").fill(KEY)
        page.keyboard.press("Enter")
        expect(prompt).to_be_hidden()
        fill(page, "good")
        compare(page)
        assert texts(page, "good")[0] == DOCUMENTS[2]
        assert page.evaluate("[Object.keys(localStorage), document.cookie]") == [[], ""]
        assert KEY not in page.url
        page.get_by_role("button", name="Forget the key").click()
        expect(prompt).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Enter a key")).to_be_visible()


def test_the_keyboard_is_enough(browser: Any, config: Path) -> None:
    with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
        expect(page.get_by_label("good")).to_be_visible()
        focused = page.locator(":focus")

        def tab_to(selector: str) -> None:
            for _ in range(30):
                page.keyboard.press("Tab")
                if focused.evaluate("(element, selector) => element.matches(selector)", selector):
                    return
            raise AssertionError(f"Tab does not reach {selector}")

        tab_to("#query")
        page.keyboard.type(QUERY)
        tab_to("#documents")
        page.keyboard.type("\n".join(DOCUMENTS))
        for name in ("busy", "down"):  # the first two are chosen at the start
            tab_to(f"input[value={name}]")
            page.keyboard.press("Space")
        for name in ("good", "other"):
            tab_to(f"input[value={name}]")
            page.keyboard.press("Space")
        tab_to("button.primary")
        assert focused.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
        tab_to(".row")
        expect(focused).to_contain_text(DOCUMENTS[2])
        page.keyboard.press("ArrowRight")
        expect(focused).to_contain_text(f"2{DOCUMENTS[2]}")
        page.keyboard.press("ArrowUp")
        expect(focused).to_contain_text(f"1{DOCUMENTS[1]}")
        page.keyboard.press("Enter")
        expect(page.locator(".row[aria-expanded=true]")).to_have_count(2)
        tab_to("summary")
        page.keyboard.press("Enter")
        expect(column(page, "other").locator("pre")).to_be_visible()


def test_what_is_missing_is_named_beside_its_field(browser: Any, config: Path) -> None:
    with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
        fill(page)
        page.get_by_label("Query").fill(" ")
        page.get_by_label("Documents").fill("\n \n")
        page.get_by_role("button", name="Compare").click()
        for sentence in ("Type a query.", "Type documents, one per line.", "Choose a target."):
            expect(page.get_by_text(sentence, exact=True)).to_be_visible()
        expect(page.get_by_label("Query")).to_be_focused()
        assert page.locator(".column").count() == 0
        page.get_by_role("button", name="Load the example").click()
        page.get_by_label("good").check()
        page.get_by_role("button", name="Compare").click()
        expect(column(page, "good")).to_contain_text("5 of 8 rows are missing")


def test_a_comparison_cancels_the_one_before(browser: Any, config: Path) -> None:
    with ScriptedServer([NEVER]) as slow:
        config.write_text(f"{route('slow', slow.url)}{config.read_text()}")
        with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
            fill(page, "slow")
            page.get_by_role("button", name="Compare").click()
            slow.wait_calls()
            page.locator("input[value=slow]").uncheck()
            page.get_by_label("good").check()
            compare(page)
            slow.wait_left()
            assert page.get_by_role("heading", level=2).all_text_contents() == ["good"]


def test_the_page_stays_usable_while_the_gateway_restarts(browser: Any, config: Path) -> None:
    with running("--config", str(config)) as gateway, opened(browser, gateway.port) as page:
        fill(page, "good", "other")
        gateway.end()
        compare(page)
        expect(page.get_by_role("alert")).to_have_count(2)
        expect(page.get_by_role("alert").first).to_contain_text("The gateway does not respond.")
        with running("--config", str(config), "--port", str(gateway.port)):
            compare(page)
            assert texts(page, "good")[0] == DOCUMENTS[2]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_colours_and_widths(browser: Any, config: Path, scheme: str, width: int) -> None:
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with running("--config", str(config)) as gateway, opened(browser, gateway.port, **look) as page:
        fill(page, "good", "other", "busy")
        page.get_by_label("Documents").fill("\n".join((*DOCUMENTS[:2], "a" * 500)))
        compare(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in ("body", ".row", ".error", "pre"):
            assert is_light(page, name) == (scheme == "light")
        tops = [column(page, name).bounding_box()["y"] for name in ("good", "other")]
        assert (tops[0] == tops[1]) == (width == 1280)
        assert page.locator(".lines").is_visible() == (width == 1280)


def is_light(page: Any, selector: str) -> bool:
    """Return whether an element's text is darker than the page's background."""
    colours = "element => [getComputedStyle(element).color, getComputedStyle(document.documentElement).backgroundColor]"
    text, ground = page.locator(selector).first.evaluate(colours)
    return brightness(text) < brightness(ground)


def brightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))
