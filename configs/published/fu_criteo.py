"""Fu et al. (2022), Criteo: hashed to 2^13, halves-64-16-4, top 8-8-4-2.

  python main.py --config=configs/published/fu_criteo.py \
    --config.data.path=YOUR.parquet

Results: docs/results/README.md; docs/results/fu.md has the active attack
beside the published numbers.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fu_criteo",
    arg,
    data=dict(
      name="file", path="criteo.parquet", encoding="hash", hash_size=8192
    ),
    model=common.model("mlp", hidden=(64, 16), embedding=4, top=(8, 4)),
    train=dict(
      epochs=7,
      batch_size=1000,
      learning_rate=0.05,
      momentum=0.5,
      schedule="constant",
    ),
    attacks=("passive_completion", "active_completion"),
    # as published: the best epoch by the true labels, beside the honest one
    evaluate=dict(aux_per_class=50, metric="auc", oracle=True),
    cpu={"train.batch_size": 500, "seeds": 5},
  )
