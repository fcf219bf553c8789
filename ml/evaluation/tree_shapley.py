"""Exact Shapley values of sums of decision trees, by what their nodes hold: no training data is needed.

The game is that of path-dependent TreeSHAP (Lundberg et al. 2020, "From local explanations to global
understanding with explainable AI for trees", algorithm 1): a feature outside the coalition goes both ways at
a split, in the shares that training rows went. A leaf is then a box, and its part in the game a product over
the box's features. The Shapley value of a product is an integral of a polynomial over [0, 1], which
Gauss-Legendre quadrature gives without error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

# Numbers held at once: bounds memory, and keeps the arrays near the processor.
BLOCK = 2**15

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Nodes:
    """The n nodes of trees whose leaf values are added up, tree after tree.

    Attributes:
        left, right: (n,) numbers of the children, -1 in a leaf.
        feature, threshold: (n,) a row goes left where its value is at most the threshold.
        missing_left: (n,) whether a missing value goes left.
        value: (n,) what a leaf adds.
        cover: (n,) training rows that came by.
        constant: what is added to the leaves' values.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing_left: NDArray[np.bool_]
    value: Floats
    cover: Floats
    constant: float


@dataclass(frozen=True)
class Boxes:
    """Leaves as boxes: e sides, box after box; a side is one feature's bounds, however often a path asked it.

    Attributes:
        starts: (b,) of each box, its first side.
        feature, low, high: (e,) a row is inside where low < value <= high.
        takes_missing: (e,) whether a missing value is inside.
        share: (e,) part of the training rows that goes on where the feature splits the path.
        value: (b,) what the leaf adds.
        expected: the mean of the trees' sum over the training rows.
    """

    starts: NDArray[np.intp]
    feature: NDArray[np.int64]
    low: Floats
    high: Floats
    takes_missing: NDArray[np.bool_]
    share: Floats
    value: Floats
    expected: float


def boosted_nodes(model: HistGradientBoostingClassifier) -> Nodes:
    """Of boosted trees, in log odds."""
    trees = [tree.nodes for [tree] in model._predictors]
    parts = np.concatenate(trees)
    is_leaf = parts["is_leaf"].astype(bool)
    offsets = _offsets([len(tree) for tree in trees])
    return Nodes(
        left=np.where(is_leaf, -1, parts["left"] + offsets),
        right=np.where(is_leaf, -1, parts["right"] + offsets),
        feature=parts["feature_idx"].astype(np.int64),
        threshold=parts["num_threshold"],
        missing_left=parts["missing_go_to_left"].astype(bool),
        value=parts["value"],
        cover=parts["count"].astype(np.float64),
        constant=float(model._baseline_prediction.item()),
    )


def forest_nodes(model: RandomForestClassifier) -> Nodes:
    """Of a forest, in probability of label 1."""
    trees = [one.tree_ for one in model.estimators_]
    parts = np.concatenate([tree.__getstate__()["nodes"] for tree in trees])
    is_leaf = parts["left_child"] < 0
    offsets = _offsets([tree.node_count for tree in trees])
    return Nodes(
        left=np.where(is_leaf, -1, parts["left_child"] + offsets),
        right=np.where(is_leaf, -1, parts["right_child"] + offsets),
        feature=parts["feature"].astype(np.int64),
        threshold=parts["threshold"],
        missing_left=parts["missing_go_to_left"].astype(bool),
        value=np.concatenate([tree.value[:, 0, 1] for tree in trees]) / len(trees),
        cover=parts["weighted_n_node_samples"],
        constant=0.0,
    )


def _offsets(sizes: list[int]) -> NDArray[np.int64]:
    """For each node, the number of nodes in the trees before its own."""
    return np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)


def boxes_of(nodes: Nodes) -> Boxes:
    """The boxes of all leaves, each path walked up from its leaf, all paths at once."""
    splits = np.flatnonzero(nodes.left >= 0)
    parent = np.full(len(nodes.left), -1)
    parent[nodes.left[splits]] = parent[nodes.right[splits]] = splits
    is_left = np.zeros(len(parent), bool)
    is_left[nodes.left[splits]] = True

    leaves = np.flatnonzero(nodes.left < 0)
    box, at = np.arange(len(leaves)), leaves
    walked_box, walked = [], []
    while len(at):
        has_parent = parent[at] >= 0
        box, at = box[has_parent], at[has_parent]
        walked_box.append(box)
        walked.append(at)
        at = parent[at]
    box, child = np.concatenate(walked_box), np.concatenate(walked)

    above = parent[child]
    order = np.lexsort((nodes.feature[above], box))
    box, child, above = box[order], child[order], above[order]
    feature, threshold, came_left = nodes.feature[above], nodes.threshold[above], is_left[child]
    is_new = np.append(True, (np.diff(box) != 0) | (np.diff(feature) != 0))[: len(box)]
    sides = np.flatnonzero(is_new)
    reach = np.ones(len(leaves))
    if not len(sides):
        return _no_boxes(nodes.constant + nodes.value[leaves].sum())
    share = np.multiply.reduceat(nodes.cover[child] / nodes.cover[above], sides)
    np.multiply.at(reach, box[sides], share)
    boxes, starts = np.unique(box[sides], return_index=True)
    return Boxes(
        starts=starts,
        feature=feature[sides],
        low=np.maximum.reduceat(np.where(came_left, -np.inf, threshold), sides),
        high=np.minimum.reduceat(np.where(came_left, threshold, np.inf), sides),
        takes_missing=np.logical_and.reduceat(nodes.missing_left[above] == came_left, sides),
        share=share,
        value=nodes.value[leaves[boxes]],
        expected=nodes.constant + float(nodes.value[leaves] @ reach),
    )


def _no_boxes(expected: float) -> Boxes:
    """Of trees that never split."""
    none, no_place = np.empty(0), np.empty(0, np.int64)
    return Boxes(no_place, no_place, none, none, none.astype(bool), none, none, float(expected))


def shapley_values(boxes: Boxes, matrix: Floats) -> Floats:
    """Each feature's part in what the trees add up to.

    Args:
        boxes: of the trees.
        matrix: (m, k) values as the trees take them, NaN where missing.

    Returns:
        (m, k), in the trees' unit; a row adds up to its value less `boxes.expected`.
    """
    values = np.zeros(matrix.shape)
    lengths = np.diff(np.append(boxes.starts, len(boxes.feature)))
    for length in np.unique(lengths):
        alike = lengths == length
        sides = np.arange(length)[:, None] + boxes.starts[alike]
        of_feature = csr_array(
            (np.tile(boxes.value[alike], length), (np.arange(sides.size), boxes.feature[sides.ravel()])),
            shape=(sides.size, matrix.shape[1]),
        )
        step = max(1, BLOCK // sides.size)
        for start in range(0, len(matrix), step):
            rows = slice(start, start + step)
            parts = _parts(boxes, sides, matrix[rows])
            values[rows] += parts.reshape(len(parts), -1) @ of_feature
    return values


def _parts(boxes: Boxes, sides: NDArray[np.intp], matrix: Floats) -> Floats:
    """Shapley values of boxes' sides in the game "what part of the row is in the box".

    Of side i: (inside_i - share_i) times the integral, over t from 0 to 1, of the product over the other
    sides of t * inside + (1 - t) * share.

    Args:
        sides: (d, b) numbers of the sides of b boxes that have d each.
        matrix: (r, k).

    Returns:
        (r, d, b).
    """
    values, share = matrix[:, boxes.feature[sides]], boxes.share[sides]
    is_inside = (values > boxes.low[sides]) & (values <= boxes.high[sides])
    is_inside |= np.isnan(values) & boxes.takes_missing[sides]
    # The product of d - 1 factors is of that degree in t: d / 2 points, rounded up, are exact.
    points, weights = np.polynomial.legendre.leggauss((len(sides) + 1) // 2)
    integral = np.zeros(is_inside.shape)
    for t, weight in zip((points + 1) / 2, weights / 2, strict=True):
        factors = is_inside * t
        factors += (1 - t) * share
        integral += weight * factors.prod(axis=1, keepdims=True) / factors
    return (is_inside - share) * integral
