"""What a detector gets wrong, and what each kind of error costs.

The kinds of false positives and the normalized AP are those of DETAD (Alwassel et al., ECCV 2018);
the cost of missed actions is that of TIDE (Bolya et al., ECCV 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from asl_mmaction.evaluation.functional.average_precision import Matches, interpolated_ap
from asl_mmaction.evaluation.functional.instances import Instances, overlapping_pairs
from asl_mmaction.files.mistakes import ValueMistake

#: What a detection is, by the ground truth of any class that overlaps it most:
#:
#: ==========  ======================  ========
#: kind        tIoU                    class
#: ==========  ======================  ========
#: duplicate   at least the threshold  the same
#: class       at least the threshold  another
#: boundary    at least ``min_tiou``   the same
#: both        at least ``min_tiou``   another
#: background  less, or no overlap     any
#: ==========  ======================  ========
KINDS = ('correct', 'duplicate', 'class', 'boundary', 'both', 'background')
CORRECT, DUPLICATE, CLASS, BOUNDARY, BOTH, BACKGROUND = range(len(KINDS))
#: Of which the costs are told.
ERRORS = (*KINDS[1:], 'missed')


class Diagnosis(NamedTuple):
    """Errors at T tIoU thresholds of D detections, in the order of the input.

    Attributes:
        rounds: (D,) 0 for the best N detections of a class, which has N ground truths, 1 for the
            next N, and so on.
        counted: (D,) bool, the best ``limit * N`` of their class, which has N ground truths.
        kinds: (T, D) index into :data:`KINDS`; -1 for detections that do not count.
        found: (T, D) the ground truth that a correct detection is matched with, or -1.
        nearest: (D,) the ground truth of any class that overlaps most, or -1 below ``min_tiou``.
        missed: (T, G) bool, the ground truths that no counted detection is matched with.
        profile: (limit, 6) share of each kind among the best N detections of each class, among
            the next N, and so on; mean over thresholds. (0, 6) without a limit.
        mean_ap: mAP of the counted detections, mean over thresholds.
        costs: (6,) mean AP without an error less ``mean_ap``, in the order of :data:`ERRORS`:
            without the detections of that kind; the last, without the ground truths that are
            missed.
    """

    rounds: np.ndarray
    counted: np.ndarray
    kinds: np.ndarray
    found: np.ndarray
    nearest: np.ndarray
    missed: np.ndarray
    profile: np.ndarray
    mean_ap: float
    costs: np.ndarray


class GroupDiagnosis(NamedTuple):
    """How well one group of ground truths, such as the short ones, is found.

    Attributes:
        num_ground_truths: of the group.
        mean_ap: mean over thresholds and the classes that the group has; nan of an empty group.
        missed: share of the group's ground truths without a detection, mean over thresholds.
    """

    num_ground_truths: int
    mean_ap: float
    missed: float


def diagnose(
    matches: Matches,
    *,
    min_tiou: float = 0.1,
    limit: int | None = 10,
    normalize: bool = False,
) -> Diagnosis:
    """Name the error of every detection and what each kind costs.

    A detection that is matched is correct; any other is of the kind that :data:`KINDS` says, by its
    nearest ground truth, the first of equals.

    Args:
        matches: of `match_detections`.
        min_tiou: overlap from which on a detection is about an action at all, in (0, 1].
        limit: so many detections count for each ground truth of a class; None = all.
        normalize: DETAD's normalized AP: each class counts as if it had the mean number of ground
            truths, so that rare classes are not harder. False = AP as `average_precision` has it.

    Raises:
        ValueError: ``min_tiou`` is above a threshold; ``limit`` < 1.
    """
    ground_truths, ranked, order, found, thresholds, num_classes = matches
    if not 0 < min_tiou <= thresholds.min(initial=1.0):
        raise ValueMistake(
            f'expected min_tiou above 0 and up to the lowest threshold, '
            f'{thresholds.min(initial=1.0)}, but got {min_tiou}'
        )
    if limit is not None and limit < 1:
        raise ValueMistake(f'expected limit >= 1 but got {limit}')
    totals = np.bincount(ground_truths.labels, minlength=num_classes)
    rounds = _rank_in_class(ranked.labels) // np.maximum(totals[ranked.labels], 1)
    counted = totals[ranked.labels] > 0
    if limit is not None:
        counted &= rounds < limit
    nearest, kinds = _kinds(ground_truths, ranked, found, thresholds, min_tiou)
    kinds[:, ~counted] = -1
    found = np.where(counted, found, -1)

    ap = _mean_ap(ranked.labels, found, counted, totals, totals, normalize)
    without = [
        _mean_ap(ranked.labels, found, counted & (kinds != kind), totals, totals, normalize)
        for kind in range(1, len(KINDS))
    ]
    hit = np.zeros((len(thresholds), num_classes), dtype=np.int64)
    rows, columns = np.nonzero(found >= 0)
    np.add.at(hit, (rows, ranked.labels[columns]), 1)
    without.append(_mean_ap(ranked.labels, found, counted, totals, hit, normalize))

    missed = np.ones((len(thresholds), len(ground_truths.videos)), dtype=bool)
    missed[rows, found[rows, columns]] = False
    back = np.argsort(order)
    return Diagnosis(
        rounds[back],
        counted[back],
        kinds[:, back],
        found[:, back],
        nearest[back],
        missed,
        _profile(kinds, rounds, counted, limit or 0),
        ap,
        np.array(without) - ap,
    )


def diagnose_groups(
    matches: Matches, groups: np.ndarray, num_groups: int, *, normalize: bool = False
) -> list[GroupDiagnosis]:
    """One group of ground truths after the other: DETAD's sensitivity analysis.

    For a group count its ground truths, the detections matched with them, and all false positives;
    not the detections matched with ground truths of another group.

    Args:
        matches: of `match_detections`.
        groups: (G,) integers in [0, num_groups), the group of each ground truth.
        num_groups: B.
        normalize: see `diagnose`.

    Raises:
        ValueError: groups do not fit.
    """
    ground_truths, ranked, _, found, _, num_classes = matches
    groups = np.asarray(groups)
    if groups.shape != (len(ground_truths.videos),) or not np.isin(groups, range(num_groups)).all():
        raise ValueMistake(
            f'expected a group in [0, {num_groups}) for each of {len(ground_truths.videos)} ground '
            f'truths but got {groups.shape} with {np.unique(groups).tolist()}'
        )
    mean_total = _mean_total(np.bincount(ground_truths.labels, minlength=num_classes))
    results = []
    for group in range(num_groups):
        own = groups == group
        totals = np.bincount(ground_truths.labels[own], minlength=num_classes)
        is_own = (found >= 0) & np.append(own, False)[found]
        hits = np.where(is_own, found, -1)
        ap = _mean_ap(
            ranked.labels, hits, is_own | (found < 0), totals, totals, normalize, mean_total
        )
        num_found = is_own.sum(axis=1)
        missed = 1 - num_found.mean() / own.sum() if own.any() else np.nan
        results.append(GroupDiagnosis(int(own.sum()), ap, float(missed)))
    return results


def _rank_in_class(labels: np.ndarray) -> np.ndarray:
    """Position of each detection, sorted by class, within its class. (D,)"""
    return np.arange(len(labels)) - np.searchsorted(labels, labels)


def _kinds(
    ground_truths: Instances,
    detections: Instances,
    found: np.ndarray,
    thresholds: np.ndarray,
    min_tiou: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest ground truth of each detection (D,), and its kind (T, D)."""

    def classless(instances: Instances) -> Instances:
        return instances._replace(labels=np.zeros_like(instances.labels))

    pairs = overlapping_pairs(classless(ground_truths), classless(detections), 1, min_tiou)
    who, first = np.unique(pairs.detections, return_index=True)
    nearest, tious = np.full(len(detections.videos), -1), np.zeros(len(detections.videos))
    nearest[who], tious[who] = pairs.ground_truths[first], pairs.tious[first]
    same = np.append(ground_truths.labels, -1)[nearest] == detections.labels
    kinds = np.where(
        tious >= thresholds[:, None],
        np.where(same, DUPLICATE, CLASS),
        np.where(same, BOUNDARY, BOTH),
    )
    kinds[:, nearest < 0] = BACKGROUND
    kinds[found >= 0] = CORRECT
    return nearest, kinds


def _mean_total(totals: np.ndarray) -> float:
    """Mean number of ground truths of the classes that have some."""
    return totals.sum() / max((totals > 0).sum(), 1)


def _mean_ap(
    labels: np.ndarray,
    found: np.ndarray,
    counted: np.ndarray,
    totals: np.ndarray,
    expected: np.ndarray,
    normalize: bool,
    mean_total: float | None = None,
) -> float:
    """mAP of some of the detections, mean over thresholds; nan where no class has ground truths.

    Args:
        labels: (D,) sorted.
        found: (T, D) ground truth or -1.
        counted: (D,) or (T, D) bool, the detections that count.
        totals: (K,) ground truths of each class.
        expected: (K,) or (T, K), those of them that are to be found.
        normalize: see `diagnose`.
        mean_total: what each class counts as; None = the mean of ``totals``.
    """
    counted = np.broadcast_to(counted, found.shape)
    expected = np.broadcast_to(expected, (len(found), len(totals)))
    mean_total = _mean_total(totals) if mean_total is None else mean_total
    present = np.flatnonzero(totals)
    ap = np.zeros((len(found), len(present)))
    for column, label in enumerate(present):
        own = slice(*np.searchsorted(labels, [label, label + 1]))
        hits = counted[:, own] & (found[:, own] >= 0)
        weight = totals[label] / mean_total if normalize else 1
        wrong = np.cumsum(counted[:, own] & ~hits, axis=1) * weight
        rights = np.cumsum(hits, axis=1)
        ap[:, column] = interpolated_ap(
            hits, np.maximum(rights + wrong, 1), np.maximum(expected[:, label], 1)
        )
    return float(ap.mean()) if ap.size else np.nan


def _profile(kinds: np.ndarray, rounds: np.ndarray, counted: np.ndarray, limit: int) -> np.ndarray:
    """Share of each kind in each round of N detections. (limit, 6)"""
    shares = np.zeros((limit, len(KINDS)))
    for index in range(limit):
        own = kinds[:, counted & (rounds == index)]
        shares[index] = [(own == kind).sum() / max(own.size, 1) for kind in range(len(KINDS))]
    return shares
