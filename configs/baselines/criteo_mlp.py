"""Criteo click logs (your file) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/criteo_mlp.py \
    --config.data.path=YOUR.parquet

Profile cpu (not the full experiment), 5 seeds: test auc 0.665 [0.649, 0.681].
Passive completion on test rows: party 0 0.651 against 0.586 (features only),
advantage +0.066 [+0.005, +0.127]; party 1 0.595 against 0.540 (no-VFL),
advantage +0.055 [-0.020, +0.129].
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
