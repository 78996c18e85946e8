"""Breast cancer Wisconsin (bundled) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/breast_cancer_mlp.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.959 [0.942,
0.976]. Passive completion on test rows: party 0 0.910 against 0.910 (features
only), advantage +0.000 [-0.041, +0.041]; party 1 0.915 against 0.915
(features only), advantage +0.000 [-0.055, +0.055].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "breast_cancer_mlp",
    arg,
    data=dict(name="breast_cancer"),
    model=common.model("mlp", hidden=(64, 32, 16), embedding=4, top=(8, 4)),
    train=dict(epochs=30, batch_size=16, learning_rate=0.01),
    evaluate=dict(aux_per_class=10, metric="accuracy"),
    cpu={"seeds": 5},
  )
