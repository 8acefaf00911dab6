"""Write the pages of docs/providers, from the declarations of providers: ``python docs/provider_pages.py``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from click.testing import CliRunner

import rerank_unify as ru
from rerank_unify.cli.app import app
from rerank_unify.cli.providers import describe, score_kinds

PAGES = Path(__file__).parent / "providers"
MODEL = "my-reranker"
"""The model in the requests of providers that have no default model."""
REQUEST = {"query": "sensitive skin", "documents": ["aloe vera cream", "motor oil"], "top_n": 1}

_FURTHER_SERVERS = "sie tei tensorrt-llm vllm vllm-score xinference local input-order"
FAMILIES = (
    (
        "model-makers",
        "Makers of models",
        "Companies that serve models of their own.",
        "jina cohere cohere-v1 voyage mongodb contextual mixedbread isaacus langsearch typesafe",
    ),
    (
        "clouds",
        "Clouds",
        "Large clouds. Most sign requests, or exchange the key: [signatures](../providers.md#signatures-and-tokens).",
        "azure bedrock bedrock-amazon bedrock-cohere cloudflare discovery-engine oci watsonx",
    ),
    (
        "inference-hosts",
        "Inference hosts",
        "Companies that serve open models.",
        "baseten deepinfra fireworks nebius novita nvidia pinecone prime-intellect scaleway together",
    ),
    (
        "china",
        "China",
        "Companies in China. Some answer an error under HTTP 200; the library raises it.",
        "dashscope dashscope-native infini-ai moark moark-multimodal qianfan qianfan-v1 siliconflow volcengine zhipu",
    ),
    (
        "gateways",
        "Gateways",
        "One endpoint before many providers.",
        "bifrost litellm new-api openrouter opper portkey vercel",
    ),
    (
        "self-hosted",
        "Self-hosted servers",
        "Servers that you run, at a `base_url` of yours, and `local` and `input-order`, which need no server.",
        f"compatible elastic gpustack infinity llamacpp localai nim ogx openvino sglang {_FURTHER_SERVERS}",
    ),
)
"""Of each page the name, the title, the introduction and the providers."""


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {f"{name}.md": _page(title, text, providers) for name, title, text, providers in FAMILIES}


def _page(title: str, introduction: str, providers: str) -> str:
    made = "`python docs/provider_pages.py` makes this page from the declarations, and the commands by\n"
    made += "`rerank-unify explain --curl`; tests run each of them against a server of their own."
    return (
        "\n\n".join((f"# {title}", introduction, made, *(_section(ru.provider(name)) for name in providers.split())))
        + "\n"
    )


def _section(provider: ru.Provider) -> str:
    return "\n\n".join(
        (f"## {provider.name}", _docstring(provider.name), "\n".join(_facts(provider)), *_command(provider))
    )


def _docstring(name: str) -> str:
    module = import_module(f"rerank_unify.providers.{name.replace('-', '_')}")
    return (module.__doc__ or "").strip().replace("``", "`")


def _facts(provider: ru.Provider) -> Iterator[str]:
    about = describe(provider)
    # Of alternatives, one alone is a key.
    word = " and " if len(about["env"]) > 1 and provider.key({about["env"][0]: "k"}) is None else " or "
    keys = word.join(f"`{name}`" for name in about["env"])
    if about["needs_key"] or about["env"]:
        yield f"- key: {keys or 'pass `api_key`'}{'' if about['needs_key'] else ', if the server wants one'}"
    if provider.sender is None:
        yield f"- URL: `{about['endpoints'][0]}`"
    if provider.required_options:
        variables = "".join(f", or `{name}`" for name in provider.option_variables.values())
        yield f"- needed: {' or '.join(f'`{name}`' for name in provider.required_options)} in `options`{variables}"
    yield f"- model: `{about['default_model']}` by default" if about["default_model"] else "- model: name yours"
    yield f"- scores: {score_kinds(about)}"
    yield f"- [documentation]({provider.docs})"


def _command(provider: ru.Provider) -> tuple[str, ...]:
    return () if provider.sender is not None else (f"```sh\n{command(provider)}\n```",)


def command(provider: ru.Provider) -> str:
    """Return the command of curl that sends the request of the pages, as an environment without variables makes it."""
    model = () if provider.default_model else ("--model", MODEL)
    arguments = ["explain", "-", "--curl", "--provider", provider.name, *model]
    ended = CliRunner().invoke(app, arguments, input=json.dumps(REQUEST), env=_unset(provider), catch_exceptions=False)
    if ended.exit_code:
        raise RuntimeError(ended.output)
    return ended.stdout.rstrip("\n")


def _unset(provider: ru.Provider) -> Mapping[str, str | None]:
    parts = (name for names in provider.endpoint.variables.values() for name in names)
    further = ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN")
    return dict.fromkeys((*provider.env, *parts, *provider.option_variables.values(), *further))


if __name__ == "__main__":
    for file_name, text in pages().items():
        (PAGES / file_name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{PAGES / file_name}\n")
