"""The default: digits in two halves, an MLP, about a minute on two cores.

  python main.py

On two CPU cores, 5 seeds: test accuracy 0.980 [0.971, 0.988]. Passive
completion on test rows: party 0 0.757 against 0.656 (no-VFL), advantage
+0.101 [+0.055, +0.147]; party 1 0.827 against 0.760 (features only),
advantage +0.067 [+0.037, +0.096].
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_mlp",
    arg,
    seeds=5,
    information=dict(samples=1200, steps=100),
    evaluate=dict(attack_steps=1500),
  )
