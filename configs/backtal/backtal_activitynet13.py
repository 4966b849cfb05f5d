# BackTAL on ActivityNet-1.3, with the settings of ActivityNet-1.2; the paper has no results on it.
_base_ = ['backtal_activitynet12.py']

data_root = 'data/activitynet13/'
feature_file = 'i3d/v_{video}.npy'
num_classes = 200

data = dict(data_root=data_root, feature_file=feature_file)
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = val_dataloader

model = dict(head=dict(num_classes=num_classes))
