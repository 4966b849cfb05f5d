"""Every number of a benchmark's config that a paper or its released code gives, in one table."""

import inspect
from pathlib import Path

import mmaction
import pytest
from mmaction.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.registry import DefaultScope

import asl_mmaction  # noqa: F401

ROOT = Path(__file__).parents[1] / 'configs'

# Where a setting stands; the last part may be left to the default of the class.
PATHS = dict(
    # data
    feat_dim='feat_dim',
    classes='num_classes',
    grid='train_dataloader.dataset.grid',
    test_grid='test_dataloader.dataset.grid',
    crop='crop_ratio',
    min_overlap='min_overlap',
    batch='train_dataloader.batch_size',
    # network
    in_channels='model.projection.in_channels',
    source_channels='model.projection.source_channels',
    num_convs='model.projection.num_convs',
    input_dropout='model.projection.dropout',
    position_len='model.projection.position_len',
    width='model.projection.out_channels',
    heads='model.neck.num_heads',
    stem='model.neck.stem_depth',
    window='model.neck.window_size',
    mlp_ratio='model.neck.mlp_ratio',
    dropout='model.neck.dropout',
    attn_dropout='model.neck.attn_dropout',
    drop_path='model.neck.drop_path',
    top_down='model.neck.top_down',
    theta='model.neck.theta',
    channel_groups='model.neck.channel_groups',
    # head and losses
    num_outputs='model.head.num_classes',
    head_width='model.head.feat_channels',
    head_convs='model.head.num_convs',
    prior='model.head.prior_prob',
    strides='model.head.strides',
    ranges='model.head.regress_ranges',
    half_stride='model.head.half_stride_offset',
    radius='model.head.assigner.center_sampling_radius',
    match='model.head.assigner.match',
    alpha='model.head.loss_cls.alpha',
    gamma='model.head.loss_cls.gamma',
    smoothing='model.head.loss_cls.label_smoothing',
    cls_weight='model.head.loss_cls.loss_weight',
    loc_weight='model.head.loss_loc.loss_weight',
    iou_power='model.head.iou_power',
    normalizer='model.head.loss_normalizer',
    momentum='model.head.normalizer_momentum',
    # detections
    score_thresh='model.post_processor.pre_nms_thresh',
    topk='model.post_processor.pre_nms_topk',
    min_duration='model.post_processor.min_duration',
    nms='model.post_processor.method',
    sigma='model.post_processor.sigma',
    min_score='model.post_processor.min_score',
    agnostic='model.post_processor.class_agnostic',
    voting='model.post_processor.voting_threshold',
    max_per_video='model.post_processor.max_per_video',
    tious='test_evaluator.tiou_thresholds',
    val_tious='val_evaluator.tiou_thresholds',
    # training
    lr='optim_wrapper.optimizer.lr',
    decay='optim_wrapper.optimizer.weight_decay',
    betas='optim_wrapper.optimizer.betas',
    clip='optim_wrapper.clip_grad.max_norm',
    gaussian_decay='optim_wrapper.paramwise_cfg.custom_keys.class_level.decay_mult',
    warmup='param_scheduler.0.end',
    warmup_start='param_scheduler.0.start_factor',
    lr_end='param_scheduler.1.eta_min',
    epochs='train_cfg.max_epochs',
    ema='default_hooks.ema.momentum',
)
# Of ASL alone
ASL_PATHS = dict(
    delta='model.head.loss_contrast.sampler.delta',
    tau='model.head.loss_contrast.tau',
    lambda_='model.head.loss_contrast.loss_weight',
    gather='model.head.loss_contrast.gather',
    normalize='model.head.sensitivity.normalize',
    detach='model.head.sensitivity.detach_instance_weight',
    cls='model.head.sensitivity.class_level.cls',
    loc='model.head.sensitivity.class_level.loc',
    num_cls='model.head.sensitivity.class_level.num_cls',
    num_loc='model.head.sensitivity.class_level.num_loc',
    shared='model.head.sensitivity.class_level.shared',
    sigma_init='model.head.sensitivity.class_level.sigma_init',
    sigma_range='model.head.sensitivity.class_level.sigma_range',
    denominator='model.head.sensitivity.class_level.loc_denominator',
    kernel='model.head.sensitivity.instance_level.kernel_size',
    quality='model.post_processor.quality_power',
)
DOUBLING = [(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10000)]
OVERLAPPING = [(0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 10000)]


def steps(first, last, step):
    """[0.1, 0.2, 0.3]: hundredths, from the first to the last."""
    return [hundredths / 100 for hundredths in range(first, last + 1, step)]


# ActionFormer (Zhang et al., ECCV 2022) and its released code, for THUMOS14
BASELINE = dict(
    feat_dim=2048,
    classes=20,
    grid=dict(feat_stride=4, clip_len=16),
    crop=(0.9, 1.0),
    min_overlap=0.5,
    batch=2,
    in_channels=2048,
    source_channels=None,
    num_convs=2,
    input_dropout=0.0,
    position_len=None,
    width=512,
    heads=4,
    stem=2,
    window=19,
    mlp_ratio=4.0,
    dropout=0.0,
    attn_dropout=0.0,
    drop_path=0.1,
    top_down=False,
    theta=0.0,
    channel_groups=1,
    head_width=None,  # that of the pyramid
    head_convs=2,
    prior=0.01,
    strides=[1, 2, 4, 8, 16, 32],
    ranges=DOUBLING,
    half_stride=False,
    radius=1.5,
    match='shortest',
    alpha=0.25,
    gamma=2.0,
    smoothing=0.0,
    cls_weight=1.0,
    loc_weight=1.0,
    iou_power=0.0,
    normalizer=100,
    momentum=0.9,
    score_thresh=0.001,
    topk=2000,
    min_duration=0.05,
    nms='gaussian',
    sigma=0.5,
    min_score=0.001,
    agnostic=False,
    voting=None,
    max_per_video=200,
    tious=steps(30, 70, 10),
    lr=1e-4,
    decay=0.05,
    betas=(0.9, 0.999),
    clip=1.0,
    gaussian_decay=0.0,
    warmup=5,
    warmup_start=1e-3,
    lr_end=1e-8,
    epochs=35,
    ema=0.001,
)
# Sources: the released code of ActionFormer (ActivityNet, Ego4D, EPIC) and OpenTAD (dropout of the
# input, MultiTHUMOS, Charades, the schedule and the pyramid of Ego4D).
TASKS = dict(
    thumos14=dict(input_dropout=0.2, max_per_video=2000),
    multithumos=dict(
        feat_dim=1024,
        classes=65,
        num_convs=3,
        stem=0,
        match='all',
        topk=8000,
        max_per_video=8000,
        tious=steps(10, 90, 10),
        epochs=45,
        cosine_end=65,
    ),
    charades=dict(
        feat_dim=1024,
        classes=157,
        grid=dict(fps=24, feat_stride=8, clip_len=0),
        batch=16,
        input_dropout=0.3,
        position_len=768,
        window=None,
        strides=[1, 2, 4, 8, 16, 32, 64],
        ranges=[(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 128), (128, 10000)],
        match='all',
        sigma=0.3,
        max_per_video=1000,
        tious=steps(10, 90, 10),
        epochs=15,
        cosine_end=20,
    ),
    ego4d=dict(
        feat_dim=4096,
        classes=110,
        grid=dict(fps=30, feat_stride=16, clip_len=32),
        min_overlap=0.3,
        in_channels=[2304, 1536, 256],
        source_channels=[256, 384, 384],
        input_dropout=0.2,
        position_len=1024,
        width=1024,
        heads=16,
        window=[9] * 6 + [None] * 3,
        dropout=0.1,
        strides=[1, 2, 4, 8, 16, 32, 64, 128, 256],
        ranges=[*OVERLAPPING[:5], (32, 128), (64, 256), (128, 512), (256, 10000)],
        match='all',
        topk=5000,
        sigma=2.0,
        max_per_video=2000,
        tious=steps(10, 50, 10),
        epochs=20,
        cosine_end=25,
    ),
    epic100_verb=dict(
        feat_dim=2304,
        classes=97,
        grid=dict(fps=30, feat_stride=16, clip_len=32),
        min_overlap=0.3,
        window=9,
        ranges=OVERLAPPING,
        normalizer=250,
        topk=5000,
        sigma=0.4,
        max_per_video=2000,
        tious=steps(10, 50, 10),
        epochs=20,
    ),
    activitynet13=dict(
        feat_dim=512,
        classes=200,
        grid=dict(fps=15, feat_stride=16, clip_len=16),
        batch=16,
        input_dropout=0.2,
        position_len=192,
        width=256,
        window=[7] * 5 + [None],
        num_outputs=1,
        smoothing=0.1,
        loc_weight=2.0,
        normalizer=200,
        min_duration=0.001,
        sigma=0.75,
        voting=0.9,
        max_per_video=100,
        tious=steps(50, 95, 5),
        lr=1e-3,
        epochs=15,
    ),
    # The setting in which the released codes of ActionFormer and TriDet were measured
    hapt=dict(
        feat_dim=300,
        classes=12,
        grid=dict(fps=50, feat_stride=25, clip_len=50),
        width=128,
        window=9,
        smoothing=0.1,
        sigma=0.4,
        tious=dict(mAP=steps(30, 70, 10), mAP_strict=steps(50, 95, 5)),
        lr=5e-4,
        epochs=45,
    ),
)
# As many steps in a batch as HAPT has, and as many batches
HAPT_CLIPS = TASKS['hapt'] | dict(batch=16, epochs=30)
# HAPT's model for dense data; budget and numbers of detections are ours
TASKS['billboard'] = TASKS['hapt'] | dict(
    feat_dim=48,
    classes=37,
    grid=dict(fps=44100 / 2048, feat_stride=5, clip_len=10),
    match='all',
    topk=5000,
    sigma=0.7,
    voting=0.6,
    max_per_video=4000,
    strides=[1, 2, 4, 8, 16, 32, 64, 128],
    ranges=[*DOUBLING[:5], (64, 128), (128, 256), (256, 10000)],
    warmup=2,
    epochs=15,
)
TASKS['epic100_noun'] = TASKS['epic100_verb'] | dict(classes=300, smoothing=0.1)
TASKS['ego4d_egovlp'] = TASKS['ego4d'] | dict(
    feat_dim=256,
    grid=dict(fps=30, feat_stride=16, clip_len=16),
    in_channels=256,
    source_channels=None,
    width=384,
    heads=4,
)
# ASL (Shao et al., ICCV 2023), sections 3 and 4.1; normalize is ours, the paper has 'none'. Nor
# does it give a lower bound of sigma, without which a weight can vanish.
ASL = dict(
    theta=0.2,
    delta=0.2,
    tau=0.07,
    lambda_=0.3,
    gather=False,
    normalize='per_gt',
    detach=True,
    cls='learnable',
    loc='learnable',
    num_cls=1,
    num_loc=2,
    shared=False,
    sigma_init=1.0,
    sigma_range=(0.05, 5.0),
    denominator='variance',
    kernel=3,
    quality=None,
)
# What pays on Billboard is ours; the weights are the paper's. Ego4D's and EPIC's ranges overlap
# already.
DENSE = {
    task: dict(quality=dict(loc=1), radius=None, normalize='none')
    for task in ('ego4d', 'ego4d_egovlp', 'epic100_verb', 'epic100_noun')
}
for task in ('epic100_verb', 'epic100_noun'):  # a point learns one action
    DENSE[task] = DENSE[task] | dict(match='cheapest')
DENSE['multithumos'] = DENSE['ego4d'] | dict(ranges=OVERLAPPING)
DENSE['charades'] = DENSE['ego4d'] | dict(ranges=[*OVERLAPPING[:5], (32, 128), (64, 10000)])
DENSE['billboard'] = DENSE['ego4d'] | dict(
    ranges=[*OVERLAPPING[:5], (32, 128), (64, 256), (128, 10000)]
)
# Of the contrastive loss, which asl_billboard.py is without
CONTRAST = ('delta', 'tau', 'lambda_', 'gather')
# Its training; what it does not say is as in the other configs of the task.
PAPER = dict(
    multithumos=dict(batch=2, epochs=60, lr=2e-4, max_per_video=200, topk=2000),
    charades=dict(batch=16, epochs=30, lr=2e-4, max_per_video=200),
    ego4d=dict(batch=2, epochs=15, lr=2e-4, max_per_video=2000),
    epic100=dict(batch=2, epochs=25, lr=2e-4, max_per_video=2000),
    thumos14=dict(batch=2, epochs=30, lr=1e-4, max_per_video=200),
    # On I3D features
    activitynet13=dict(batch=16, epochs=15, lr=1e-3, max_per_video=100, feat_dim=2048)
    | dict(grid=dict(fps=25, feat_stride=16, clip_len=16)),
    hapt={},
    billboard=dict(match='all'),
)
# TriDet (Shi et al., CVPR 2023) and its released code
TRIDET = dict(
    window_scale=2,
    mlp_ratio=2.0,
    num_groups=16,
    num_bins=16,
    iou_power=0.25,
)
TRIDET_PATHS = dict(
    window_scale='model.neck.window_scale',
    num_groups='model.neck.num_groups',
    num_bins='model.head.num_bins',
)
NOT_IN_TRIDET = ('heads', 'dropout', 'attn_dropout', 'theta', 'channel_groups')


def expected_settings(name):
    """All of a config's numbers, from the tables."""
    method, _, task = name.partition('_')
    task, is_paper = task.removesuffix('_paper'), task.endswith('_paper')
    is_tridet = method == 'tridet' or task.startswith('tridet_')
    task = task.removeprefix('tridet_')
    found = BASELINE | (HAPT_CLIPS if task == 'hapt_clips' else TASKS[task])
    if is_tridet:
        found = {name: value for name, value in found.items() if name not in NOT_IN_TRIDET} | TRIDET
        found['window'] = [1] + [5] * (len(found['strides']) - 1)
    if method == 'asl':
        found |= {name: value for name, value in ASL.items() if name != 'theta' or not is_tridet}
    if method == 'asl' and not (is_paper or is_tridet):
        found |= DENSE.get(task, {})
    if name == 'asl_billboard':
        found = {key: value for key, value in found.items() if key not in CONTRAST} | {'theta': 0}
    if is_paper:
        paper = PAPER[task.partition('_')[0]]
        found |= dict(match='shortest', normalize='none') | paper
        if 'epochs' in paper:
            found['cosine_end'] = paper['epochs']
    # What follows from others
    sources = found['in_channels'] if isinstance(found['in_channels'], list) else found['feat_dim']
    found['in_channels'] = sources
    found |= dict(test_grid=found['grid'], val_tious=found['tious'])
    return dict(num_outputs=found['classes'], cosine_end=found['epochs']) | found


def setting(config, path):
    """What stands at the path; where that is left out, the default of the class."""
    *parents, name = path.split('.')
    node = config
    for key in parents:
        node = node[int(key) if key.isdigit() else key]
    if name in node:
        return node[name]
    kind = node.get('type', 'PointAssigner')
    for part in (MODELS.get(kind) or TASK_UTILS.get(kind)).__mro__:
        parameter = inspect.signature(part.__init__).parameters.get(name)
        if parameter is not None and parameter.default is not parameter.empty:
            return parameter.default
    raise KeyError(path)


def plain(value):
    """Lists for tuples, dicts for configs; 1.0 equals 1 as it is."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


NAMES = [
    'actionformer_hapt_clips',
    *(f'{method}_{task}' for task in TASKS for method in ('actionformer', 'asl')),
    *(f'asl_{task}_paper' for task in TASKS),
    *('tridet_hapt', 'asl_tridet_hapt', 'tridet_billboard', 'asl_tridet_billboard'),
]


@pytest.mark.parametrize('name', NAMES)
def test_settings(name):
    (path,) = ROOT.rglob(f'{name}.py')
    config = Config.fromfile(path)
    paths = PATHS | ASL_PATHS | TRIDET_PATHS
    expected = expected_settings(name)
    with DefaultScope.overwrite_default_scope('mmaction'):
        got = {key: setting(config, paths[key]) for key in expected if key != 'cosine_end'}
    kind = config.model.head.assigner.get('type', 'PointAssigner')
    is_dense = name.removeprefix('asl_') in DENSE
    assert kind == ('SimOTAAssigner' if is_dense else 'PointAssigner')
    got['cosine_end'] = config.param_scheduler[-1].get('end', config.train_cfg.max_epochs)
    assert plain(got) == plain(expected)


# Ours -> mmaction2's own, which its authors' numbers are of
MMACTION = {
    'bmn_activitynet13': 'bmn/bmn_2xb8-400x100-9e_activitynet-feature.py',
    'bsn_tem_activitynet13': 'bsn/bsn_tem_1xb16-400x100-20e_activitynet-feature.py',
    'bsn_pem_activitynet13': 'bsn/bsn_pem_1xb16-400x100-20e_activitynet-feature.py',
    'tcanet_activitynet13': 'tcanet/tcanet_2xb8-700x100-9e_hacs-feature.py',
}


@pytest.mark.parametrize('name', MMACTION)
def test_mmactions_own_settings(name):
    """Of its localizers: all but the features, and SoftNMS, which is the post-processor's."""
    ours = Config.fromfile(ROOT / 'mmaction' / f'{name}.py')
    folder = Path(mmaction.__file__).parent / '.mim' / 'configs' / 'localization'
    theirs = Config.fromfile(folder / MMACTION[name])
    skip = ('type', 'feat_dim', 'tem_feat_dim', 'feature_extraction_interval', 'post_process_top_k')
    expected = {
        key: value
        for key, value in theirs.model.items()
        if key not in skip and not key.startswith('soft_nms')
    }
    assert {key: ours.model.localizer[key] for key in expected} == expected
    for part in ('train_cfg.max_epochs', 'optim_wrapper.clip_grad', 'optim_wrapper.optimizer'):
        first, second = part.split('.')
        assert ours[first][second] == theirs[first][second], part
    (schedule,), (theirs_schedule,) = ours.param_scheduler, theirs.param_scheduler
    for key in ('type', 'milestones', 'gamma'):
        assert schedule[key] == theirs_schedule[key], key
    assert ours.train_dataloader.batch_size == theirs.train_dataloader.batch_size


def test_the_table_is_complete():
    """A config of a benchmark that the table leaves out would go unseen."""
    ends = (*TASKS, 'hapt_clips')
    benchmarks = [path.stem for path in ROOT.rglob('*.py') if path.stem.endswith(ends)]
    papers = [path.stem for path in ROOT.rglob('*_paper.py')]
    papers += [path.stem for path in (ROOT / 'backtal').glob('*.py')]
    own = ('backtal_context_demo', 'backtal_hapt_clips')
    others = [path.stem for path in (ROOT / 'mmaction').glob('*.py')]
    fragments = [path.stem for path in (ROOT / '_base_').rglob('*.py')]
    assert {*benchmarks, *papers} - {*own, *others, *fragments} == {*NAMES, *BACKTAL}
    assert PATHS.keys() | {'cosine_end'} == expected_settings('actionformer_thumos14').keys()


# BackTAL, by its public code. ActivityNet-1.3, on which it has no numbers, is as 1.2.
BACKTAL_PATHS = dict(
    length='length',
    lr='optim_wrapper.optimizer.lr',
    batch='train_dataloader.batch_size',
    epochs='train_cfg.max_epochs',
    seed='randomness.seed',
    topk='model.head.topk_ratio',
    separation='model.head.loss_separation.loss_weight',
    separation_topk='model.head.loss_separation.ratio',
    class_threshold='model.post_processor.class_threshold',
    outer='model.post_processor.outer_ratio',
    video_weight='model.post_processor.video_score_weight',
    iou='model.post_processor.iou_threshold',
    whole='model.post_processor.whole_video_score',
    shrink='model.post_processor.shrink',
)
BACKTAL_COLUMNS = dict(
    thumos14=(750, 1e-4, 16, 40, 38, 0.125, 1.0, None, 0.25, 0.25, 0.2, 0.55, None, None),
    activitynet12=(100, 2e-4, 128, 25, 5, 0.6, 0.1, 0.2, 0.1, 20, 0.6, 0.7, 0.6, 0.02),
    hacs=(200, 1e-4, 64, 8, 5, 0.6, 0.1, 0.2, 0.075, 200, 0.6, 0.71, 0.6, 0.02),
)
BACKTAL_COLUMNS['activitynet13'] = BACKTAL_COLUMNS['activitynet12']
BACKTAL = {f'backtal_{name}': column for name, column in BACKTAL_COLUMNS.items()}
# Thresholds of the proposals are 0, 0.025, ... below this.
BACKTAL_HIGHEST = dict(thumos14=0.25, activitynet12=0.15, activitynet13=0.15, hacs=0.2)


@pytest.mark.parametrize('name', BACKTAL)
def test_the_settings_of_backtal(name):
    config = Config.fromfile(ROOT / 'backtal' / f'{name}.py')
    resize = next(s for s in config.train_dataloader.dataset.pipeline if s.type == 'ResizeFeature')
    found = []
    for path in BACKTAL_PATHS.values():
        part = config
        for key in path.split('.'):
            part = None if part is None else part.get(key)
        found.append(resize.length if path == 'length' else part)
    assert dict(zip(BACKTAL_PATHS, found, strict=True)) == dict(
        zip(BACKTAL_PATHS, BACKTAL[name], strict=True)
    )
    thresholds = config.model.post_processor.thresholds
    highest = BACKTAL_HIGHEST[name.removeprefix('backtal_')]
    assert thresholds == pytest.approx([0.025 * i for i in range(round(highest / 0.025))])
    # The weight of one step, which the public code sums, times the steps.
    assert config.model.head.sparsity_weight == pytest.approx(1e-4 * resize.length)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.betas, optimizer.weight_decay) == ('Adam', (0.9, 0.999), 5e-4)
    head = config.model.head
    assert (head.channels, head.filter_channels, head.dropout) == (2048, 512, 0.7)
    assert (head.affinity.hidden_channels, head.affinity.channels) == (512, 32)
    assert head.loss_affinity.loss_weight == 0.8
