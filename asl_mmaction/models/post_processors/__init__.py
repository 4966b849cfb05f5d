from asl_mmaction.models.post_processors.activation_post_processor import ActivationPostProcessor
from asl_mmaction.models.post_processors.soft_nms_post_processor import SoftNMSPostProcessor

__all__ = ['ActivationPostProcessor', 'SoftNMSPostProcessor']
