"""Results of a test, written where --out says."""

import pytest
from mmengine.config import Config

from asl_mmaction.cli.testing import write_results_to
from asl_mmaction.files.mistakes import Mistake


def test_results_go_to_every_metric_that_writes_files():
    tal, other = dict(type='TALMetric'), dict(type='AccMetric')
    recall = dict(type='AverageRecallMetric')
    config = Config(dict(test_evaluator=[dict(tal), dict(other), dict(recall)]))
    write_results_to(config, 'here')
    assert [metric.get('out_dir') for metric in config.test_evaluator] == ['here', None, 'here']
    config = Config(dict(test_evaluator=dict(tal)))
    write_results_to(config, 'here')
    assert config.test_evaluator.out_dir == 'here'
    for evaluator in (dict(other), dict(type='Unknown'), None):
        with pytest.raises(Mistake, match='expected a TALMetric'):
            write_results_to(Config(dict(test_evaluator=evaluator)), 'here')
