"""The documentation site, by Sphinx: ``make docs`` builds it into build/site and fails on any warning."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sphinx.util import logging
from sphinx.util.nodes import make_refnode

import rerank_unify

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

DOCS = Path(__file__).parent
ROOT = DOCS.parent
LOG = logging.getLogger(__name__)
REPOSITORY = "https://github.com/rerank-unify/rerank-unify"

project = "rerank-unify"
author = "the rerank-unify contributors"
project_copyright = author
release = version = rerank_unify.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["badges"]
nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages. Their descriptions are on the network, and the site is built without it.
    (
        "py:.*",
        "(aiohttp|collections|contextlib|httpx|hypothesis|pathlib|pydantic(_settings)?|starlette|typing(_extensions)?)[.].*",
    ),
    # Types that no reader needs.
    ("py:class", r"(.*[.])?(About|Count|Decoder|KeyHash|Law|Seconds|ShellRequest|T|_Number)"),
    # Tables of settings, which docs/gateway.md lists.
    ("py:class", r"(.*[.])?(Cache|Limit|Route|Upstream)Settings"),
    # In docstrings, single backticks also mark attributes and arguments, which have no entry.
    ("py:obj", ".*"),
]

# Names in single backticks in docstrings lead to their entry, where they have one.
default_role = "py:obj"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

myst_heading_anchors = 4

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = f"rerank-unify {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"source_repository": f"{REPOSITORY}/", "source_branch": "main", "source_directory": "docs/"}


# A fenced block, which stays as it is, or the target of a link.
_LINKS = re.compile(r"^```.*?^```|\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)", re.MULTILINE | re.DOTALL)
_OURS = re.compile(re.escape(REPOSITORY) + r"/(?:blob|tree|raw)/main/(.+)")


def rewrite_links(text: str, page: str, file: Path) -> str:
    """Return Markdown whose links to pages are relative, so that Sphinx checks them, and to other files absolute.

    A link to a file that is not there is a warning.

    Args:
        text: Markdown as it reads on a code host: links are relative, or absolute to this repository.
        page: the page, as Sphinx names it.
        file: the file of the text: that of the page, or one that the page includes.
    """

    def rewrite(link: re.Match[str]) -> str:
        target = link["target"]
        if target is None:
            return link[0]
        ours = _OURS.fullmatch(target)
        if "://" in target and not ours:
            return link[0]
        path = ROOT / ours[1] if ours else (file.parent / target).resolve()
        if not path.exists():
            LOG.warning("dead link: there is no %s", target, location=page)
        return f"]({_address(path, (DOCS / page).parent)}{link['anchor'] or ''})"

    return _LINKS.sub(rewrite, text)


def _address(path: Path, folder: Path) -> str:
    """Return the link to a page or, for another file of the repository, its address on the code host."""
    if path.suffix == ".md" and path.is_relative_to(DOCS):
        return Path(os.path.relpath(path, folder)).as_posix()
    return f"{REPOSITORY}/{'tree' if path.is_dir() else 'blob'}/main/{path.relative_to(ROOT).as_posix()}"


def _read_page(_app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = rewrite_links(source[0], page, DOCS / page)


def _read_included(_app: Sphinx, path: Path, page: str, source: list[str]) -> None:
    source[0] = rewrite_links(source[0], page, (DOCS / path).resolve())


def _find_public_name(app: Sphinx, env: BuildEnvironment, reference: pending_xref, text: Element) -> Element | None:
    """Resolve a reference to an object by its last name: annotations name the private module that defines it."""
    module, _, name = reference["reftarget"].rpartition(".")
    if reference["refdomain"] != "py" or module.partition(".")[0] not in {"", "rerank_unify"}:
        return None
    domain = env.domains.python_domain
    entry_name = re.compile(rf"(rerank_unify\.([a-z_]+\.)?)?{re.escape(name)}")
    full = next(filter(entry_name.fullmatch, domain.objects), None)
    if full is None:
        return None
    entry = domain.objects[full]
    return make_refnode(app.builder, reference["refdoc"], entry.docname, entry.node_id, text, full)


def _skip_member(
    _app: Sphinx, _kind: str, name: str, value: object, _skip: bool, _options: object
) -> Literal[True] | None:
    """Leave out pydantic's settings, and the fields of named tuples: the section Attributes of the class has them."""
    return True if name == "model_config" or type(value).__name__ == "_tuplegetter" else None


def _write_signature(
    _app: Sphinx, _kind: str, _name: str, value: Any, _options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Write defaults that are functions by name, and those that are no Python as ``...``."""
    if signature is not None and signature.startswith("(**data"):
        # A pydantic model. The types of its fields are long, and its docstring says what they accept.
        fields = {name: one.get_default(call_default_factory=True) for name, one in value.model_fields.items()}
        required = {name for name, one in value.model_fields.items() if one.is_required()}
        written = (name if name in required else f"{name}={default!r}" for name, default in fields.items())
        signature = f"(*, {', '.join(written)})"
    if signature is None:
        return None
    # Tables with functions in them, then functions, then what is made anew for each object.
    for pattern, text in ((r"\w+\([^()]*<[^()]*\)", "..."), (r"<function (\w+)>", r"\1"), ("<factory>", "...")):
        signature = re.sub(pattern, text, signature)
    return signature, returns


def setup(app: Sphinx) -> None:
    """Register the functions of this file with Sphinx."""
    app.connect("autodoc-process-signature", _write_signature)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("source-read", _read_page)
    app.connect("include-read", _read_included)
    app.connect("missing-reference", _find_public_name)
