"""Adult census income (OpenML) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/adult_mlp.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "adult_mlp",
    arg,
    data=dict(name="adult"),
    model=common.model("mlp", hidden=(64, 32, 16), embedding=8, top=(16, 8)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
