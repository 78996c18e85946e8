"""AG News, 4 classes: two segments, a small transformer.

  python main.py --config=configs/baselines/ag_news_transformer.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "ag_news_transformer",
    arg,
    data=dict(name="ag_news", length=48, vocabulary=8000),
    model=common.model("transformer"),
    train=dict(
      epochs=20,
      batch_size=64,
      optimizer="adam",
      learning_rate=1e-3,
      weight_decay=0.01,
    ),
    evaluate=dict(aux_per_class=10),
    cpu={
      "train.epochs": 15,
      "evaluate.attack_steps": 300,
      "model.depth": 2,
      "data.vocabulary": 4000,
    },
  )
