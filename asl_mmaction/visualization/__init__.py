from .class_gaussians import ClassGaussians, draw_gaussians
from .figures import save_figure
from .timeline import draw_timeline

__all__ = ['ClassGaussians', 'draw_gaussians', 'draw_timeline', 'save_figure']
