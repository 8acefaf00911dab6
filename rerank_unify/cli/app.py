"""The command line as a whole: its commands, and what its help says."""

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
  Rank three texts on this machine, with no key and no network:
    rerank-unify rerank --query "sensitive skin" \\
        --document "aloe vera cream" --document "motor oil" --document "cream for skin"
\b
  Ask Cohere, and Voyage where it fails; their keys are in the environment:
    rerank-unify rerank request.json --provider cohere --fallback voyage,local --show-attempts
\b
  Rank a file of requests; the same command goes on after an interruption:
    rerank-unify batch in.jsonl out.jsonl --provider cohere
\b
  What would Voyage get, and what would be lost on the way?
    rerank-unify explain request.json --provider voyage
\b
  Ask Voyage with curl, read the answer as Jina would have written it:
    rerank-unify convert request --from jina --to voyage --model rerank-2.5 \\
        request.json > body.json
    curl -s https://api.voyageai.com/v1/rerank -H "Authorization: Bearer $VOYAGE_API_KEY" \\
        -H "Content-Type: application/json" -d @body.json |
      rerank-unify convert response --from voyage --to jina --request request.json
""",
)
@click.version_option(__version__, prog_name="rerank-unify")
def app() -> None:
    """Any rerank client, any rerank vendor, one format in the middle: Jina's.

    Rank documents, for one request or many, see what a vendor would be sent and what it could not be told, and
    translate requests and answers from one vendor's dialect into another's. A terminal gets tables; a pipe gets JSON.
    """


for command in (rerank, batch, convert, providers, explain, serve, key):
    app.add_command(command)
