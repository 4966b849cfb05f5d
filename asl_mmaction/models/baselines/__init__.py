"""mmaction2's own localizers on our data sets and metrics.

Not imported by ``asl_mmaction`` itself, for it imports ``mmaction.models``: a config names it in
``custom_imports``.
"""

from asl_mmaction.models.baselines.bmn import FiniteBMNLoss, WindowedBMN

__all__ = ['FiniteBMNLoss', 'WindowedBMN']
