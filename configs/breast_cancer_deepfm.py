"""Breast cancer Wisconsin (bundled) in two halves, deepfm, reference cut.

  python main.py --config=configs/breast_cancer_deepfm.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.945 [0.931,
0.959]. Passive completion on test rows: party 0 0.908 against 0.910 (features
only), advantage -0.001 [-0.020, +0.018]; party 1 0.901 against 0.915
(features only), advantage -0.014 [-0.074, +0.046].
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "breast_cancer_deepfm",
    arg,
    data=dict(name="breast_cancer", encoding="fields"),
    model=common.model("deepfm", embedding=4, top=(8, 4)),
    train=dict(epochs=30, batch_size=16, learning_rate=0.01),
    evaluate=dict(aux_per_class=10, metric="accuracy"),
    cpu={"seeds": 5},
  )
