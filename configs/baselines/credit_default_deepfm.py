"""Credit card default (OpenML) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/credit_default_deepfm.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "credit_default_deepfm",
    arg,
    data=dict(name="credit_default", encoding="fields"),
    model=common.model("deepfm", embedding=8, top=(16, 8)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
