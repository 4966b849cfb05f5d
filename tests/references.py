"""Plain loops that several tests compare with: tIoU, SoftNMS with voting, average precision."""

import math
import sys

import numpy as np


def slow_tiou(a, b):
    """Of two segments; what has no length, or ends before it starts, overlaps nothing."""
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return inter / (max(a[1], b[1]) - min(a[0], b[0])) if inter > 0 else 0.0


def slow_factor(tiou, method, sigma, iou_threshold):
    if method == 'gaussian':
        return math.exp(-tiou * tiou / sigma)
    if tiou <= iou_threshold:
        return 1.0
    return 1.0 - tiou if method == 'linear' else 0.0


def slow_soft_nms(segments, scores, labels, options):
    """Class by class to the end, then the best of all classes."""
    kept = []
    for label in sorted(set(labels.tolist())):
        alive = {i: scores[i] for i in range(len(labels)) if labels[i] == label}
        while True:
            floor = max(options['min_score'], sys.float_info.min)
            alive = {i: score for i, score in alive.items() if score >= floor}
            if not alive:
                break
            best = min(alive, key=lambda i: (-alive[i], *segments[i], i))
            kept.append((-alive.pop(best), *segments[best], best))
            for i in alive:
                tiou = slow_tiou(segments[best], segments[i])
                alive[i] *= slow_factor(
                    tiou, options['method'], options['sigma'], options['iou_threshold']
                )
    kept = sorted(kept)[: options['max_per_video']]
    return [entry[-1] for entry in kept], [-entry[0] for entry in kept]


def slow_vote(segments, scores, labels, kept, threshold):
    voted = []
    for i in kept:
        voters = [
            j
            for j in range(len(scores))
            if labels[j] == labels[i] and slow_tiou(segments[i], segments[j]) >= threshold
        ]
        weight = sum(scores[j] for j in voters)
        voted.append(
            [sum(scores[j] * segments[j][end] for j in voters) / weight for end in (0, 1)]
            if voters
            else segments[i]
        )
    return np.array(voted).reshape(-1, 2)


def slow_average_precision(truths, detections, threshold):
    """One class: truths [(video, segment)], detections [(score, video, segment)] in input order."""
    ranked = sorted(detections, key=lambda detection: (-detection[0], detection[1]))
    taken = set()
    hits = []
    for _, video, segment in ranked:
        best, best_tiou = None, threshold
        for index, (truth_video, truth) in enumerate(truths):
            if truth_video != video or index in taken:
                continue
            tiou = slow_tiou(segment, truth)
            if tiou >= threshold and (best is None or tiou > best_tiou):
                best, best_tiou = index, tiou
        hits.append(best is not None)
        taken.add(best)
    precisions = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    return sum(max(precisions[i:]) for i in range(len(hits)) if hits[i]) / len(truths)
