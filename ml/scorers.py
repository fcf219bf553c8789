"""Models in the form that scores: the same row, the same digits, alone or among a million.

A pipeline's own prediction is not such a form: a product of matrices sums in an order that depends on how
many rows there are. Here every operation is one number's own: of a logistic model, the fitted broken lines
are looked up feature by feature and added in the features' order; of trees, the estimator itself predicts,
from columns that were encoded without a frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from ml.blocks import Block
from ml.broken_lines import BrokenLines
from ml.calibration import Model, pipeline_of


class Scorer(ABC):
    """A model in the form that scores.

    Attributes:
        slope, intercept: the calibrated log odds are slope * score + intercept; 1 and 0 without calibration.
    """

    def __init__(self, model: Model) -> None:
        self.is_calibrated = not isinstance(model, Pipeline)
        self.slope, self.intercept = 1.0, 0.0
        if self.is_calibrated:
            [curve] = model.calibrated_classifiers_[0].calibrators
            # scikit-learn's sigmoid is 1 / (1 + exp(a * score + b)).
            self.slope, self.intercept = -float(curve.a_), -float(curve.b_)

    @abstractmethod
    def score(self, block: Block) -> NDArray[np.float64]:
        """(n,) scores before calibration: log odds, of a forest the probability."""

    def predict(self, block: Block) -> NDArray[np.float64]:
        """(n,) calibrated probabilities of label 1, of each row whatever rows are beside it."""
        return self._probabilities(self.score(block))

    def _probabilities(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        return expit(self.slope * score + self.intercept)


def scorer_of(model: Model) -> Scorer:
    """The form of a fitted model that scores; equal models give equal forms."""
    pipeline = pipeline_of(model)
    if isinstance(pipeline["model"], LogisticRegression):
        return AdditiveScorer(model)
    return TreeScorer(model)


class _Term(Protocol):
    """What one feature adds to the log odds."""

    def values(self, block: Block) -> NDArray[np.float64]: ...


class AdditiveScorer(Scorer):
    """A logistic model as a sum of one function a feature, each of mean 0 over the rows it was fitted on.

    Agrees with the pipeline to about 1e-12. The functions' values are the features' exact SHAP values in log
    odds, features taken as independent (Lundberg and Lee 2017, corollary 1); `mean` is the expected score.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        pipeline = pipeline_of(model)
        columns, scaler = pipeline["encode"]
        estimator = pipeline["model"]
        weights = estimator.coef_[0] / scaler.scale_
        self.mean = float(estimator.intercept_[0])
        self._terms = _terms(columns, weights, scaler.mean_)

    def contributions(self, block: Block) -> dict[str, NDArray[np.float64]]:
        """Feature -> (n,) what it adds to the score; with `mean`, in this order, they sum to it."""
        return {name: term.values(block) for name, term in self._terms.items()}

    def score(self, block: Block) -> NDArray[np.float64]:
        total = np.full(block.rows_count, self.mean)
        for term in self._terms.values():
            total += term.values(block)
        return total


@dataclass(frozen=True)
class _BrokenLine:
    """Straight from knot to knot, level outside; a value of its own where there is none.

    Attributes:
        knots, heights: (m,) rising, and the line there.
        missing: where there is no value.
    """

    name: str
    knots: NDArray[np.float64]
    heights: NDArray[np.float64]
    missing: float

    def values(self, block: Block) -> NDArray[np.float64]:
        result = np.interp(block.numbers[self.name], self.knots, self.heights)
        # What is missing comes out of it as it went in.
        result[np.isnan(result)] = self.missing
        return result


@dataclass(frozen=True)
class _Lookup:
    """A number for each text that training met, and one for all others."""

    name: str
    known: Mapping[str | None, float]
    other: float

    def values(self, block: Block) -> NDArray[np.float64]:
        texts = block.texts[self.name]
        return np.array([self.known.get(value, self.other) for value in texts.values])[texts.codes]


def _terms(
    columns: ColumnTransformer, weights: NDArray[np.float64], means: NDArray[np.float64]
) -> dict[str, _Term]:
    """The functions of a logistic model's fitted encoder, by feature.

    Args:
        weights, means: (c,) of the encoder's columns: what one unit adds, and the mean over the fitted rows.
    """
    terms: dict[str, _Term] = {}
    for part, encoder, names in columns.transformers_:
        own = columns.output_indices_.get(part)
        if part == "numeric" and len(names):
            lines = _broken_lines(encoder, list(names), weights[own], means[own])
            terms |= {line.name: line for line in lines}
        elif part == "categorical" and len(names):
            lookups = _lookups(encoder, list(names), weights[own], means[own])
            terms |= {lookup.name: lookup for lookup in lookups}
    return terms


def _broken_lines(
    encoder: BrokenLines, names: list[str], weights: NDArray[np.float64], means: NDArray[np.float64]
) -> Iterator[_BrokenLine]:
    """Sums of pieces that each rise by their weight, the first from 0; with a flag for what is missing."""
    flags = {int(feature): len(encoder.starts_) + place for place, feature in enumerate(encoder.flagged_)}
    for number, name in enumerate(names):
        pieces = np.flatnonzero(encoder.features_ == number)
        median = float(encoder.medians_[number])
        knots = np.append(
            encoder.starts_[pieces], encoder.starts_[pieces[-1:]] + encoder.widths_[pieces[-1:]]
        )
        heights = np.append(0.0, np.cumsum(weights[pieces]))
        mean = float(weights[pieces] @ means[pieces])
        if_missing = 0.0
        if number in flags:
            if_missing = float(weights[flags[number]])
            mean += if_missing * float(means[flags[number]])
        if not pieces.size:
            knots = np.array([median])
        missing = float(np.interp(median, knots, heights - mean)) + if_missing
        yield _BrokenLine(name, knots, heights - mean, missing)


def _lookups(
    encoder: OneHotEncoder, names: list[str], weights: NDArray[np.float64], means: NDArray[np.float64]
) -> Iterator[_Lookup]:
    """The weight of each category, that of one never met being 0."""
    end = 0
    for name, categories in zip(names, encoder.categories_, strict=True):
        own = slice(end, end + len(categories))
        end = own.stop
        mean = float(weights[own] @ means[own])
        known = {
            None if pd.isna(category) else str(category): float(weight) - mean
            for category, weight in zip(categories, weights[own], strict=True)
        }
        yield _Lookup(name, known, -mean)


class TreeScorer(Scorer):
    """Trees on numbers and coded categories: the pipeline's own digits."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        pipeline = pipeline_of(model)
        self._estimator: ClassifierMixin = pipeline["model"]
        self._columns: list[str] = []
        self._codes: dict[str, _Lookup] = {}
        for part, encoder, names in pipeline["encode"].transformers_:
            if part == "remainder":
                continue
            self._columns += names
            if part == "categorical" and len(names):
                for column, levels in zip(names, encoder.categories_, strict=True):
                    known = {level: float(place) for place, level in enumerate(levels)}
                    self._codes[column] = _Lookup(column, known, np.nan)

    def matrix(self, block: Block) -> NDArray[np.float64]:
        """(n, k) what the estimator takes, a row beside the next."""
        matrix = np.empty((block.rows_count, len(self._columns)))
        for place, name in enumerate(self._columns):
            codes = self._codes.get(name)
            matrix[:, place] = codes.values(block) if codes else block.numbers[name]
        return matrix

    def score(self, block: Block) -> NDArray[np.float64]:
        matrix = self.matrix(block)
        if hasattr(self._estimator, "decision_function"):
            return self._estimator.decision_function(matrix)
        if isinstance(self._estimator, RandomForestClassifier):
            return self._forest(matrix)
        return self._estimator.predict_proba(matrix)[:, 1]

    def _forest(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of the trees, as the forest takes it but for its queue of jobs, dear for one row."""
        single = matrix.astype(np.float32)
        total = np.zeros(len(matrix))
        for tree in self._estimator.estimators_:
            total += tree.tree_.predict(single)[:, 1]
        return total / len(self._estimator.estimators_)

    def _probabilities(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        is_probability = not hasattr(self._estimator, "decision_function")
        return score if is_probability and not self.is_calibrated else super()._probabilities(score)
