"""Breast cancer Wisconsin (bundled) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/breast_cancer_deepfm.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.963 [0.944,
0.982]. Passive completion on test rows: party 0 0.910 against 0.910 (features
only), advantage +0.000 [-0.012, +0.012]; party 1 0.900 against 0.915
(features only), advantage -0.015 [-0.068, +0.037].
"""

from configs.shared import common


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
