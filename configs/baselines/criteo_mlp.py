"""Criteo click logs (your file) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/criteo_mlp.py \
    --config.data.path=YOUR.parquet

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "criteo_mlp",
    arg,
    data=dict(name="file", path="criteo.parquet", encoding="hash"),
    model=common.model("mlp", hidden=(64, 32, 16), embedding=8, top=(16, 8)),
    train=dict(epochs=7, batch_size=128, learning_rate=0.01),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
