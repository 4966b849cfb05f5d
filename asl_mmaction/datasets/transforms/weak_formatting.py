"""The pipeline's last step under weak supervision: labels and clicks in place of segments."""

from mmaction.registry import TRANSFORMS

from asl_mmaction.datasets.transforms.formatting import PackTALInputs
from asl_mmaction.files.mistakes import ValueMistake


@TRANSFORMS.register_module()
class PackWeakInputs(PackTALInputs):
    """Pack a training sample of video labels and clicks.

    Required keys: those of :class:`PackTALInputs`, and ``video_labels``, ``click_times``,
    ``click_labels``, which :class:`TALDataset` gives under weak supervision.

    Returns of ``transform``: as :class:`PackTALInputs`, with ``gt_label`` and ``gt_clicks``, and
    without ``gt_instances``.

    Raises:
        ValueError: The sample is not one of weak supervision.
    """

    def __init__(self) -> None:
        super().__init__()

    def transform(self, results: dict) -> dict:
        """Pack; see the class."""
        if 'video_labels' not in results:
            raise ValueMistake(
                f'video {results["video_name"]!r}: expected video_labels, as a dataset with '
                "supervision='click' or 'video' gives them in training, but got a sample without"
            )
        packed = super().transform(results)
        del packed['data_samples'].gt_instances
        return packed
