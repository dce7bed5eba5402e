# The blocks of the document, in its order, joined to one script; what is not the document's prints results.
# ruff: noqa
# --- imports: the only lines that differ
import runner_vision.transforms as transforms
from torch.utils.data import DataLoader
from runner_vision.datasets import CIFAR10

import torch
import torch.nn as nn
import torch.nn.functional as F
from runner.model import BaseModel
from torch.optim import SGD
from runner.evaluator import BaseMetric
from runner.registry import METRICS
from runner import Runner
from runner.registry import LOOPS
from runner import EpochBasedTrainLoop


def main():
    log_level = 'INFO'

    randomness=dict(seed=1,
                    deterministic=True,
                    diff_rank_seed=False)

    env_cfg = dict(dist_cfg=dict(backend='nccl'))

    transform = transforms.Compose([
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    ])

    train_dataset = CIFAR10(
        root='data', train=True, download=True, transform=transform)
    train_dataloader = DataLoader(
        train_dataset, batch_size=128, shuffle=True, num_workers=2)

    val_dataset = CIFAR10(
        root='data', train=False, download=True, transform=transform)
    val_dataloader = DataLoader(
        val_dataset, batch_size=128, shuffle=False, num_workers=2)


    class Model(BaseModel):

        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)
            self.loss_fn = nn.CrossEntropyLoss()

        def forward(self, img, label, mode):
            feat = self.pool(F.relu(self.conv1(img)))
            feat = self.pool(F.relu(self.conv2(feat)))
            feat = feat.view(-1, 16 * 5 * 5)
            feat = F.relu(self.fc1(feat))
            feat = F.relu(self.fc2(feat))
            feat = self.fc3(feat)
            if mode == 'loss':
                loss = self.loss_fn(feat, label)
                return dict(loss=loss)
            else:
                return [feat.argmax(1)]

    model = Model()

    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    optim_wrapper = dict(optimizer=optimizer)

    from math import gamma

    param_scheduler = dict(type='MultiStepLR', milestones=[2, 3], gamma=0.1)

    @METRICS.register_module(force=True)
    class ToyAccuracyMetric(BaseMetric):

        def process(self, label, pred) -> None:
            self.results.append((label[1], pred, len(label[1])))

        def compute_metrics(self, results: list) -> dict:
            num_sample = 0
            acc = 0
            for label, pred, batch_size in results:
                acc += (label == torch.stack(pred)).sum()
                num_sample += batch_size
            return dict(Accuracy=acc / num_sample)

    val_evaluator = dict(type='ToyAccuracyMetric')
    val_cfg = dict(type='ValLoop')

    runner = Runner(
        model=model,  # model to be optimized
        work_dir='./work_dir',  # working directory
        randomness=randomness,  # random seed
        env_cfg=env_cfg,  # environment config
        launcher='none',  # launcher for distributed training
        optim_wrapper=optim_wrapper,  # configure optimizer wrapper
        param_scheduler=param_scheduler,  # configure parameter scheduler
        train_dataloader=train_dataloader,  # configure train dataloader
        train_cfg=dict(by_epoch=True, max_epochs=4, val_interval=1),  # Configure training loop
        val_dataloader=val_dataloader,  # Configure validation dataloader
        val_evaluator=val_evaluator,  # Configure evaluator and metrics
        val_cfg=val_cfg)  # Configure validation loop
    runner.train()

    # Load checkpoint: go on with a fifth epoch
    runner = Runner(
        model=model,
        work_dir='./work_dir',
        load_from='./work_dir/epoch_4.pth',
        resume=True,
        randomness=randomness,
        env_cfg=env_cfg,
        launcher='none',
        optim_wrapper=optim_wrapper,
        param_scheduler=param_scheduler,
        train_dataloader=train_dataloader,
        train_cfg=dict(by_epoch=True, max_epochs=5, val_interval=1),
        val_dataloader=val_dataloader,
        val_evaluator=val_evaluator,
        val_cfg=val_cfg)
    runner.train()

    runner = Runner(
        model=model,
        work_dir='./work_dir',
        randomness=randomness,
        env_cfg=env_cfg,
        launcher='none',
        optim_wrapper=optim_wrapper,
        train_dataloader=train_dataloader,
        train_cfg=dict(by_epoch=True, max_epochs=5, val_interval=1),
        val_dataloader=val_dataloader,
        val_evaluator=val_evaluator,
        val_cfg=val_cfg,
        test_dataloader=val_dataloader,
        test_evaluator=val_evaluator,
        test_cfg=dict(type='TestLoop'),
    )
    print('RESULT same work_dir:', runner.test()['Accuracy'])

    model = Model()
    runner = Runner(
        model=model,
        work_dir='./test_work_dir',
        load_from='./work_dir/epoch_5.pth',  # set load_from additionally
        randomness=randomness,
        env_cfg=env_cfg,
        launcher='none',
        optim_wrapper=optim_wrapper,
        train_dataloader=train_dataloader,
        train_cfg=dict(by_epoch=True, max_epochs=5, val_interval=1),
        val_dataloader=val_dataloader,
        val_evaluator=val_evaluator,
        val_cfg=val_cfg,
        test_dataloader=val_dataloader,
        test_evaluator=val_evaluator,
        test_cfg=dict(type='TestLoop'),
    )
    print('RESULT loaded:', runner.test()['Accuracy'])

    steps = []

    @LOOPS.register_module()
    class CustomEpochBasedTrainLoop(EpochBasedTrainLoop):
        def run_iter(self, idx, data_batch) -> None:
            for _ in range(2):
                super().run_iter(idx, data_batch)
                steps.append(idx)

    runner = Runner(
        model=model,
        work_dir='./test_work_dir',
        randomness=randomness,
        env_cfg=env_cfg,
        launcher='none',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.001, momentum=0.9)),
        train_dataloader=train_dataloader,
        train_cfg=dict(
            type='CustomEpochBasedTrainLoop',
            max_epochs=5,
            val_interval=1),
        val_dataloader=val_dataloader,
        val_evaluator=val_evaluator,
        val_cfg=val_cfg,
        test_dataloader=val_dataloader,
        test_evaluator=val_evaluator,
        test_cfg=dict(type='TestLoop'),
    )
    runner.train()
    print('RESULT steps:', len(steps))


if __name__ == '__main__':
    main()
