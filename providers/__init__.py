"""The built-in providers, one module each. Installed as ``rerank_unify.providers``."""

if __name__ != "rerank_unify.providers":
    raise ImportError(f"import rerank_unify.providers, not {__name__}: this folder is no package of its own")
