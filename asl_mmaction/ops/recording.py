"""Whether operations run, or are written down."""

import torch


def is_recorded() -> bool:
    """Whether a compiler or an exporter writes down the operations.

    It takes those of torch for any shape. Functions with a backward pass of their own make way.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
