"""Criteo click logs (your file) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/criteo_deepfm.py \
    --config.data.path=YOUR.parquet

Profile cpu (not the full experiment), 5 seeds: test auc 0.613 [0.572, 0.655].
Passive completion on test rows: party 0 0.608 against 0.558 (features only),
advantage +0.050 [-0.054, +0.154]; party 1 0.534 against 0.510 (features
only), advantage +0.024 [-0.039, +0.087].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "criteo_deepfm",
    arg,
    data=dict(
      name="file", path="criteo.parquet", encoding="fields", max_categories=1000
    ),
    model=common.model("deepfm", embedding=8, top=(16, 8)),
    train=dict(epochs=7, batch_size=128, learning_rate=0.01),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
