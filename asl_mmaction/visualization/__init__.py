from asl_mmaction.visualization.class_gaussians import ClassGaussians, draw_gaussians
from asl_mmaction.visualization.figures import save_figure
from asl_mmaction.visualization.timeline import draw_timeline

__all__ = ['ClassGaussians', 'draw_gaussians', 'draw_timeline', 'save_figure']
