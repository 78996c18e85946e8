"""Fu et al. (2022), CIFAR-10: resnet20 halves, top 20-20-10-10-10.

  python main.py --config=configs/published/fu_cifar10.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fu_cifar10",
    arg,
    data=dict(name="cifar10"),
    model=common.model("resnet20"),
    train=dict(
      epochs=100,
      batch_size=32,
      learning_rate=0.1,
      weight_decay=5e-4,
      schedule="steps",
      boundaries=(0.5, 0.85),
    ),
    attacks=("passive_completion", "active_completion"),
    # as published: the best epoch by the true labels, beside the honest one
    evaluate=dict(oracle=True),
    cpu={
      # the active attack would train everything again, for each party
      "attacks": ("passive_completion",),
      "model.width": 8,
      "train.epochs": 20,
      "evaluate.attack_steps": 200,
      "data.train_size": 3000,
      "information.samples": 800,
    },
  )
