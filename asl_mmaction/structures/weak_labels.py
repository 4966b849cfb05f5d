"""What weak supervision says about a batch: video labels and clicks."""

from typing import NamedTuple

from torch import Tensor

#: Label of a step on which nobody has clicked; what ``torch.nn.functional.cross_entropy`` ignores.
NO_CLICK = -100


class WeakLabels(NamedTuple):
    """Labels of a batch without any segment.

    Attributes:
        video_labels: (N, K) float, 1 for every class that occurs in the video, else 0.
        click_labels: (N, T) int64, the class of a clicked step, K for a background click,
            :data:`NO_CLICK` elsewhere and on padding.
    """

    video_labels: Tensor
    click_labels: Tensor

    @property
    def background_clicks(self) -> Tensor:
        """(N, T) bool, True at background clicks."""
        return self.click_labels == self.video_labels.size(1)
