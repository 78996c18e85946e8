"""Breast cancer Wisconsin (bundled) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/breast_cancer_deepfm.py

Results: docs/results/README.md.
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
