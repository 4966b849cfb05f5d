# HAPT, its recordings cut into clips of about half a minute, most with one or two classes.
# Prepare with: python tools/data/hapt/prepare.py SOURCE --clips
_base_ = ['hapt.py']

data_root = 'data/hapt_clips/'

data = dict(data_root=data_root)
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = val_dataloader
