"""Look-up of providers by name, what a router reads of a provider, and lists that must agree."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import rerank_unify as ru
import rerank_unify.canonical
import rerank_unify.dialect
import rerank_unify.errors
from rerank_unify import registry
from rerank_unify.declaration import Provider
from rerank_unify.testing import load_request

ROOT = Path(__file__).parent.parent
REQUEST = ru.RerankRequest(query="q", documents=["a", {"image": "https://x/1.png"}])


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ru.UnknownProviderError, match=r"called 'voyge'; did you mean 'voyage'") as caught:
        ru.provider("voyge")
    assert caught.value.name == "voyge"
    with pytest.raises(ru.UnknownProviderError, match="there are azure, baseten, bedrock, bedrock-amazon"):
        ru.provider("xyz")
    with pytest.raises(LookupError, match="did you mean 'cohere'"):
        ru.transcoder("jina", "Cohere")


def test_a_name_without_an_endpoint_gets_the_reason_its_date_and_who_serves_the_model() -> None:
    """The reasons are entry points, so every one of them is looked up here."""
    points = entry_points(group=registry.UNAVAILABLE)
    assert {"ollama", "nomic", "koboldcpp", "minimax", "hf-inference", "zeroentropy"} <= points.names
    for name in points.names:
        assert name not in ru.provider_names()
        with pytest.raises(
            ru.UnknownProviderError, match=rf"^no provider is called '{name}': .*\d{{4}}-\d\d-\d\d"
        ) as caught:
            ru.provider(name)
        assert caught.value.name == name
        named = re.findall(r"'([a-z-]+)'", str(caught.value))
        assert set(named[1:]) <= set(ru.provider_names())
        assert named[1:] or "no provider serves" in str(caught.value)
    with pytest.raises(ru.UnknownProviderError, match="llamacpp"), ru.Client("Ollama"):
        pass
    with pytest.raises(
        ru.InvalidRequestError, match=r"provider_options\.ollama: no provider is called 'ollama': Ollama"
    ):
        registry.check_option_names({"ollama": {}}, {})


@pytest.mark.parametrize("name", [None, 5, "", "x" * 1000])
def test_an_invalid_provider_name_is_refused(name: Any) -> None:
    with pytest.raises(ru.UnknownProviderError, match=r"no provider is called|expected a name or a Provider"):
        ru.provider(name)


def test_names_are_sorted_and_found_once() -> None:
    assert ru.provider_names() == sorted(ru.provider_names())
    assert ru.provider("jina") is ru.provider("jina")
    for name in ru.provider_names():
        assert ru.provider(name).name == name


# --- what a router reads ---------------------------------------------------------------------------------------------


def test_capabilities_are_known_before_a_call() -> None:
    jina, voyage = ru.provider("jina"), ru.provider("voyage")
    assert jina.default_model == "jina-reranker-v2-base-multilingual"
    assert jina.modalities() == ("text",)
    assert jina.modalities("jina-reranker-m0") == ("text", "image")
    assert (jina.score_kind(), jina.score_kind("jina-reranker-v3"), jina.score_kind("new")) == (
        "probability",
        "cosine",
        "unknown",
    )
    assert voyage.limits().documents == voyage.limits("new").documents == 1_000
    assert voyage.limits().total_tokens == 600_000
    assert ru.provider("local").model("local-bm25").listwise
    assert not ru.provider("local").model().listwise
    assert ru.provider("xinference").model("my-uid", base_model="Qwen3-VL-Reranker-2B").images


def test_check_returns_the_error_that_prepare_would_raise() -> None:
    refused = ru.provider("voyage").check(REQUEST)
    assert refused is not None
    assert (refused.field, refused.index) == ("documents[1]", 1)
    assert "documents[1]: is an image, and voyage's rerank-2.5 is not known to take images" in str(refused)
    assert ru.provider("jina").check(REQUEST, model="jina-reranker-m0") is None
    assert ru.provider("xinference").check(REQUEST, "my-uid", base_model="Qwen3-VL-Reranker-2B") is None
    image_query = REQUEST.replace(query={"image": "x"}, documents=["a"])
    refused = ru.provider("cohere").check(image_query)
    assert refused is not None
    assert (refused.field, refused.index) == ("query", None)


@pytest.mark.parametrize(("name", "limit"), [("cohere", 10_000), ("cohere-v1", 10_000), ("voyage", 1_000)])
def test_check_refuses_more_documents_than_the_limit(name: str, limit: int) -> None:
    provider = ru.provider(name)
    assert provider.check(ru.RerankRequest(query="q", documents=["a"] * limit)) is None
    refused = provider.check(ru.RerankRequest(query="q", documents=["a"] * (limit + 1), model="new"))
    assert refused is not None
    assert refused.index == limit
    assert f"{name} takes at most {limit:,} in one call, and there are {limit + 1:,}" in str(refused)
    assert provider.check(ru.RerankRequest(query="q", documents=["a"] * limit + [""])) is None


def test_a_provider_without_default_needs_a_model() -> None:
    jina = ru.provider("jina")
    bare = Provider(name="bare", dialect=jina.dialect, endpoint=jina.endpoint, auth=jina.auth)
    with pytest.raises(ru.UnsupportedRequestError, match="model: bare has no default model, so name one"):
        bare.encode_request(ru.RerankRequest(query="q", documents=["a"]))
    assert bare.encode_request(ru.RerankRequest(query="q", documents=["a"]), model="m")["model"] == "m"


def test_the_model_that_is_sent() -> None:
    jina = ru.provider("jina")
    request = ru.RerankRequest(query="q", documents=["a"], model="jina-reranker-v3")
    assert jina.prepare(request, api_key="k").model == "jina-reranker-v3"
    assert jina.prepare(request, api_key="k", model="other").model == "other"
    assert jina.prepare(request.replace(model=None), api_key="k").model == jina.default_model


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("voyage", {"top_k": 3}, r"provider_options\.voyage\.top_k: .* set top_n of the request instead"),
        ("cohere", {"documents": []}, r"documents: .* set documents of the request instead"),
        ("cohere", {"max_tokens_per_doc": 5}, "set max_tokens_per_doc of the request instead"),
        ("jina", {"max_doc_length": 5}, "set max_tokens_per_doc of the request instead"),
        ("xinference", {"kwargs": {"instruction": "x"}}, "set instruction of the request instead"),
        ("xinference", {"return_len": False}, "the library writes this field itself; it cannot be set"),
    ],
)
def test_options_do_not_overwrite_the_dialect(name: str, options: dict[str, object], sentence: str) -> None:
    request = ru.RerankRequest(query="q", documents=["a"], provider_options={name: options})
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        ru.provider(name).encode_request(request)


def test_options_are_for_one_provider() -> None:
    request = ru.RerankRequest(
        query="q", documents=["a"], provider_options={"cohere": {"priority": 3, "new": {"x": 1}}}
    )
    assert ru.provider("cohere").encode_request(request)["priority"] == 3
    assert ru.provider("cohere").encode_request(request)["new"] == {"x": 1}
    assert "priority" not in ru.provider("voyage").encode_request(request)


def test_echo_sends_no_return_documents() -> None:
    request = ru.RerankRequest(query="q", documents=["a"])
    call = ru.provider("voyage").prepare(request, api_key="k", echo_documents=False)
    assert b'"return_documents":false' in call.http.content
    response = call.decode(200, {}, b'{"data":[{"index":0,"relevance_score":0.5}]}')
    assert response.results[0].document == {"text": "a"}


# --- lists that must agree -------------------------------------------------------------------------------------------


def test_entry_points_are_the_files() -> None:
    files = {path.stem for path in (ROOT / "providers").glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in ru.provider_names()} == files


def test_every_module_of_a_provider_exports_the_same_names() -> None:
    for name in ru.provider_names():
        module = importlib.import_module(f"rerank_unify.providers.{name.replace('-', '_')}")
        assert module.provider is ru.provider(name)
        assert getattr(module, "dialect", ru.provider(name).dialect) is ru.provider(name).dialect
        assert module.__doc__, "where is it documented?"


def test_all_is_what_is_public() -> None:
    tools = {"annotations", "dataclass", "Any", "TYPE_CHECKING"}
    for module in (ru, rerank_unify.canonical, rerank_unify.dialect, rerank_unify.errors):
        names = {name for name in dir(module) if not name.startswith("_") and not inspect.ismodule(vars(module)[name])}
        late = set[str](getattr(module, "_LATE", ()))
        assert (names - tools) | late == set(module.__all__)
        assert len(module.__all__) == len(set(module.__all__))
        assert all(getattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'klingon'"):
        getattr(ru, "klingon")  # noqa: B009 - a type checker refuses the plain form


def test_no_public_name_is_also_a_module() -> None:
    for name in ru.provider_names():
        ru.provider(name)
    modules = {module.name for module in pkgutil.iter_modules(ru.__path__)}
    assert not modules & set(ru.__all__)
    assert callable(ru.provider)
    assert ru.split_request(REQUEST, "jina").parts == (REQUEST,)
    assert ru.transcoder("jina", "voyage").request(b'{"query":"q","documents":["a"]}').content


def test_importing_is_light() -> None:
    code = (
        "import sys, rerank_unify; "
        "heavy = {'httpx', 'anyio', 'yaml', 'importlib.metadata', 'hypothesis', 'click', 'rich', 'numpy', 'orjson'}; "
        "heavy.add('socket'); "
        "print(sorted((heavy - BEFORE) & set(sys.modules)), [m for m in sys.modules if '.providers' in m])"
    )
    before = "import sys, pydantic; pydantic.create_model('M', a=(int, 1)); BEFORE = set(sys.modules); "
    completed = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[] []"


def test_the_folder_of_the_providers_is_no_package() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", "import providers"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "import rerank_unify.providers, not providers" in completed.stderr


def test_the_links_are_committed_links() -> None:
    for name in ("providers", "fixtures"):
        link = ROOT / "rerank_unify" / name
        assert not (ROOT / ".git").exists() or link.is_symlink()


def test_versions_agree() -> None:
    assert f'version = "{ru.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {ru.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("file", ["skincare-multilingual", "newapi-basic", "m0-multimodal"])
@pytest.mark.parametrize("name", ["jina", "cohere", "cohere-v1", "voyage", "xinference", "local"])
def test_the_ready_requests_go_through_every_provider(name: str, file: str) -> None:
    provider, request = ru.provider(name), ru.provider("jina").decode_request(load_request(file))
    if file == "m0-multimodal":
        with pytest.raises(ru.UnsupportedRequestError, match=r"documents\[0\]: is an image, and .* not known to take"):
            provider.encode_request(request, model=provider.default_model)
        return
    body = provider.encode_request(request, model=provider.default_model)
    assert body["model"] == provider.default_model
    assert body["documents"] == list(request.documents)
    assert body["query"] == request.query
    assert body["top_k" if name == "voyage" else "top_n"] == 3


def test_an_image_model_takes_the_ready_request() -> None:
    request = ru.provider("jina").decode_request(load_request("m0-multimodal"))
    image = "https://example.com/image1.png"
    assert ru.provider("jina").encode_request(request)["documents"] == [{"image": image}, "Document to rank 2"]
    qwen = ru.provider("xinference").encode_request(request, model="Qwen3-VL-Reranker-2B")
    assert qwen["documents"] == [{"image": image}, "Document to rank 2"]
    with pytest.raises(ru.UnsupportedRequestError, match=r"documents\[1\]: .* ranks images or texts, not both"):
        ru.provider("xinference").encode_request(request)


def test_the_lint_rule_keeps_providers_and_httpx_out_of_the_core() -> None:
    code = "import httpx\nimport rerank_unify.providers.voyage\nfrom .providers import jina\n"
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format", "concise"]
    if not (ROOT / "rerank_unify").exists() or importlib.util.find_spec("ruff") is None:
        pytest.skip("needs the sources and ruff")
    completed = subprocess.run(
        [*command, "--stdin-filename", "rerank_unify/x.py", "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.split(":")[1] for line in completed.stdout.splitlines() if "TID251" in line] == ["1", "2", "3"]
