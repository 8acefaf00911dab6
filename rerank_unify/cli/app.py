"""The command group, its help, and the form of errors.

Exit codes are click's: 0 for success, 1 for an error, Ctrl-C and a closed pipe, 2 for a wrong command line.
"""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

import click

from .. import __version__
from ..errors import RerankError
from .batch import batch
from .convert import convert
from .explain import explain
from .gateway import key, serve
from .output import one_line
from .providers import providers
from .rerank import rerank


class Commands(click.Group):
    """A group that reports errors of the library and of files on one line, as click reports its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the names in the order of declaration; click would sort them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RerankError as error:
            raise click.ClickException(one_line(str(error))) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # click ends in silence
                raise
            reason = error.strerror or str(error) or type(error).__name__
            place = "" if error.filename is None else f"{error.filename}: "
            raise click.ClickException(one_line(f"{place}{reason}")) from error


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
    for stream in (sys.stdout, sys.stderr):
        # Print "?" for a character that the terminal's encoding lacks, instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


for command in (rerank, batch, convert, providers, explain, serve, key):
    app.add_command(command)
