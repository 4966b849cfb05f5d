# EPIC-Kitchens-100, nouns (300, of which 289 occur in training): the videos and features of the
# verbs, other annotations.
# Prepare with: python tools/data/epic100/prepare.py SOURCE
_base_ = ['epic100_verb.py']

ann_file = 'annotations_noun.json'
num_classes = 300

train_dataloader = dict(dataset=dict(ann_file=ann_file))
val_dataloader = dict(dataset=dict(ann_file=ann_file))
test_dataloader = val_dataloader
