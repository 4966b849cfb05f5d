from asl_mmaction.models.projections.conv_projection import ConvProjection

__all__ = ['ConvProjection']
