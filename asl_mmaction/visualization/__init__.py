from asl_mmaction.visualization.action_sensitivity import (
    ActionSensitivity,
    draw_action_sensitivity,
)
from asl_mmaction.visualization.class_gaussians import ClassGaussians, draw_gaussians
from asl_mmaction.visualization.figures import save_figure
from asl_mmaction.visualization.html_timeline import (
    page_name,
    write_html_index,
    write_html_timeline,
)
from asl_mmaction.visualization.panels import frame_times
from asl_mmaction.visualization.recording import Recording
from asl_mmaction.visualization.timeline import draw_timeline

__all__ = [
    'ActionSensitivity',
    'ClassGaussians',
    'Recording',
    'draw_action_sensitivity',
    'draw_gaussians',
    'draw_timeline',
    'frame_times',
    'page_name',
    'save_figure',
    'write_html_index',
    'write_html_timeline',
]
