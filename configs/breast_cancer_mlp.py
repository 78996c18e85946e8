"""Breast cancer Wisconsin (bundled) in two halves, mlp, reference cut.

  python main.py --config=configs/breast_cancer_mlp.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.956 [0.945,
0.968]. Passive completion on test rows: party 0 0.896 against 0.910 (features
only), advantage -0.014 [-0.036, +0.008]; party 1 0.892 against 0.915
(features only), advantage -0.024 [-0.099, +0.051].
"""

from configs import common


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
