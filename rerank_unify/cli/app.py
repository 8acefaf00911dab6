"""The command group and its help."""

from __future__ import annotations

import click

from .. import __version__
from .batch import batch
from .convert import convert
from .exit_codes import Commands
from .explain import explain
from .gateway import key, serve
from .providers import providers
from .rerank import rerank


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
    Rerank three texts on this machine, without a key and without a network:
    rerank-unify rerank --query "sensitive skin" \\
        --document "aloe vera cream" --document "motor oil" --document "cream for skin"
\b
    Call Cohere, and Voyage if Cohere fails; their keys are in the environment:
    rerank-unify rerank request.json --provider cohere --fallback voyage,local --show-attempts
\b
    Rerank a file of requests; the same command resumes after an interruption:
    rerank-unify batch in.jsonl out.jsonl --provider cohere
\b
    Show what Voyage would receive, and which parts of the request would be lost:
    rerank-unify explain request.json --provider voyage
\b
    Call Voyage with curl, and translate the response to Jina's format:
    rerank-unify convert request --from jina --to voyage --model rerank-2.5 \\
        request.json > body.json
    curl -s https://api.voyageai.com/v1/rerank -H "Authorization: Bearer $VOYAGE_API_KEY" \\
        -H "Content-Type: application/json" -d @body.json |
      rerank-unify convert response --from voyage --to jina --request request.json
""",
)
@click.version_option(__version__, prog_name="rerank-unify")
def app() -> None:
    """Any rerank client, any rerank provider, one format in the middle: Jina's.

    Rerank documents, for one request or many. Show what a provider would receive and what would be lost. Translate
    requests and responses between dialects. On a terminal the output is a table, in a pipe it is JSON.
    """


for command in (rerank, batch, convert, providers, explain, serve, key):
    app.add_command(command)
