"""A new process: prints as JSON what the package does to it, and ends with an error.

One process for what several tests ask of it: to load the stack takes seconds.
"""

import json
import multiprocessing
import resource
import sys

import torch

import asl_mmaction
import asl_mmaction.cli.checks.dataset
import asl_mmaction.cli.testing
import asl_mmaction.cli.training  # noqa: F401  all that tools for trainings, tests and checks load
from asl_mmaction.cli.memory import keep_freed_memory


def page_faults():
    """Of tensors that are made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(20_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


modules = sorted(sys.modules)
given_back = page_faults()
keep_freed_memory()
page_faults()
print(
    json.dumps(
        {
            'modules': modules,
            'start_method': multiprocessing.get_start_method(allow_none=True),
            'faults': [given_back, page_faults()],
        }
    )
)
1 / 0  # noqa: B018
