"""Remove results whose score is too low."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from ..errors import InvalidRequestError, ScoreKindError
from .response import RerankResponse, ScoreKind
from .validation import check_number


@dataclass(frozen=True, slots=True)
class MinScore:
    """The lowest score that a result may have.

    Attributes:
        score: the lowest score.
        unit: whether it is compared with unit scores, 0 to 1, so that one value fits targets with scores of several
            kinds; else with the provider's scores.

    Raises:
        InvalidRequestError: the score is no finite number, or a unit score is not within 0 to 1.
    """

    score: float
    unit: bool = False

    def __post_init__(self) -> None:
        check_number(self.score, self.name, "a finite number", low=-inf, above=True)
        if self.unit and not 0 <= self.score <= 1:
            raise InvalidRequestError(f"{self.name}: expected a unit score, 0 to 1", field=self.name)

    @property
    def name(self) -> str:
        """The name of the keyword that sets it."""
        return "min_unit_score" if self.unit else "min_score"

    def check(self, kind: ScoreKind, model: str | None) -> None:
        """Check that the scores of a model can be compared.

        Raises:
            ScoreKindError: they are of unknown kind.
        """
        if kind == "unknown":
            named = model or "this model"
            raise ScoreKindError(f"{self.name}: the scores of {named} are of unknown kind")

    def apply(self, response: RerankResponse) -> RerankResponse:
        """Return the response without the results below the lowest score, and a warning that counts them.

        Scores are not changed. A response of kind ``none``, which no model ranked, keeps all results.
        """
        if not response.reranked:
            warning = f"{self.name}: not applied, as no model ranked the documents"
            return response.replace(warnings=(*response.warnings, warning))
        compared = response.unit_scores() if self.unit else response
        pairs = zip(response.results, compared.results, strict=True)
        results = [result for result, unit in pairs if unit.relevance_score >= self.score]
        removed = len(response) - len(results)
        if not removed:
            return response
        warning = f"{self.name}: {removed} of {len(response)} results removed, with scores below {self.score:g}"
        return response.replace(results=results, warnings=(*response.warnings, warning))


def min_score_of(min_score: float | None, min_unit_score: float | None) -> MinScore | None:
    """Return the lowest score that one of two keywords sets; None where neither does.

    Raises:
        InvalidRequestError: both are given, or one has a wrong value.
    """
    if min_score is not None and min_unit_score is not None:
        raise InvalidRequestError("min_score: expected none beside min_unit_score", field="min_score")
    if min_unit_score is not None:
        return MinScore(min_unit_score, unit=True)
    return None if min_score is None else MinScore(min_score)
