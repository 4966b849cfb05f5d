from asl_mmaction.models import (
    data_preprocessors,
    heads,
    localizers,
    losses,
    necks,
    post_processors,
    projections,
    sensitivity,
    task_modules,
)

__all__ = [
    'data_preprocessors',
    'heads',
    'localizers',
    'losses',
    'necks',
    'post_processors',
    'projections',
    'sensitivity',
    'task_modules',
]
