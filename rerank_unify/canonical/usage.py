"""The cost of a call, as far as the provider reported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


def complete_tokens(
    total: int | None, prompt: int | None, completion: int | None
) -> tuple[int | None, int | None, int | None]:
    """Return total, prompt and completion tokens from those of them that were reported."""
    if total is None:
        total = prompt if prompt is None else prompt + (completion or 0)
    if total is None:
        return None, None, completion
    if completion is None:
        prompt = total if prompt is None else prompt
        return total, prompt, 0 if prompt == total else None
    if prompt is None and total >= completion:
        prompt = total - completion
    return total, prompt, completion


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Usage:
    """The cost of a call, as far as the provider reported it. A figure that was not reported is None, never 0.

    A reranker generates no tokens: a total alone is the prompt's, and a prompt alone is the total.
    ``completion_tokens`` is 0 where total and prompt are equal, and otherwise what was reported, else None.

    Attributes:
        total_tokens: all tokens.
        prompt_tokens: tokens of the query and the documents.
        completion_tokens: tokens that the model generated.
        prompt_tokens_details: parts of the prompt's tokens, as gateways with Jina's format report them.
        completion_tokens_details: parts of the generated tokens, likewise.
        search_units: Cohere's unit, one query with up to 100 documents; may be a fraction.

    Examples:
        >>> ru.Usage(total_tokens=12)
        Usage(total_tokens=12, prompt_tokens=12, completion_tokens=0)
    """

    total_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Mapping[str, Any] | None = None
    completion_tokens_details: Mapping[str, Any] | None = None
    search_units: float | None = None

    def __post_init__(self) -> None:
        total, prompt, completion = self.total_tokens, self.prompt_tokens, self.completion_tokens
        if total is None or prompt is None or completion is None:
            total, prompt, completion = complete_tokens(total, prompt, completion)
            object.__setattr__(self, "total_tokens", total)
            object.__setattr__(self, "prompt_tokens", prompt)
            object.__setattr__(self, "completion_tokens", completion)

    def to_dict(self) -> dict[str, Any]:
        """Return the reported figures by name; without those that were not reported."""
        return {name: value for name in USAGE_FIELDS if (value := getattr(self, name)) is not None}

    def __repr__(self) -> str:
        return f"Usage({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"


USAGE_FIELDS: Final = tuple(Usage.__dataclass_fields__)
NO_USAGE: Final = Usage()
