"""mmaction2's own localizers on our data sets and metrics.

Not imported by ``asl_mmaction`` itself, for it imports ``mmaction.models``: a config names it in
``custom_imports``.
"""

from asl_mmaction.baselines.bmn import FiniteBMNLoss, WindowedBMN
from asl_mmaction.baselines.bsn import BatchedPEM, SampledPEM, TEMResults, WindowedTEM
from asl_mmaction.baselines.proposals import AttachProposals
from asl_mmaction.baselines.tcanet import WindowedTCANet

__all__ = [
    'AttachProposals',
    'BatchedPEM',
    'FiniteBMNLoss',
    'SampledPEM',
    'TEMResults',
    'WindowedBMN',
    'WindowedTCANet',
    'WindowedTEM',
]
