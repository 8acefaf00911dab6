"""Names that users ask for and that have no endpoint: the fact, its date, and the provider that serves the same model.

Checked on 2026-11-25. Each is an entry point of the group ``rerank_unify.unavailable``.
"""

from __future__ import annotations

_SAME_FILES = "the server of llama.cpp, 'llamacpp', serves the same GGUF files"
_NO_MODEL = "and no provider serves a reranker of its own"

hf_inference = (
    "Hugging Face's Inference Providers deploy no text-ranking model (model pages, 2026-11-25); "
    "an Inference Endpoint of your own does, by 'tei' and its base_url"
)
koboldcpp = f"KoboldCpp has no rerank endpoint (LostRuins/koboldcpp#1508, 2026-11-25); {_SAME_FILES}"
lm_studio = f"LM Studio has no documented rerank endpoint (lmstudio-ai/docs#162, 2026-01-05); {_SAME_FILES}"
minimax = f"MiniMax has no rerank endpoint (404 in three projects, 2026-11-25), {_NO_MODEL}"
nomic = f"Nomic has no rerank endpoint (SDK 3.9.0, 2026-11-25), {_NO_MODEL}"
ollama = f"Ollama has no rerank endpoint (ollama/ollama#3368, 2026-09-13); {_SAME_FILES}"
zeroentropy = (
    "ZeroEntropy's API was shut down on 2026-09-04; "
    "zerank-2 runs on a server of your own, by 'vllm', 'tei' or 'llamacpp'"
)
