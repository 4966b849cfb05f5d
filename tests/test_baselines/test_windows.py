"""Windows hold the right steps, and know where they are."""

import torch

from asl_mmaction.baselines.windows import to_window


def test_parts_of_the_window_by_hand():
    # Steps 0..3 of 4 fill quarters; what sticks out on either side, or into the padding, is cut.
    grid = torch.tensor([[-0.5, 0.5], [0.0, 3.5], [-2.0, 9.0]])
    assert to_window(grid, 4, 4).tolist() == [[0.0, 0.25], [0.125, 1.0], [0.0, 1.0]]
    assert to_window(grid, 4, 2).tolist() == [[0.0, 0.25], [0.125, 0.5], [0.0, 0.5]]
