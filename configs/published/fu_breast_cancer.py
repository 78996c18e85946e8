"""Fu et al. (2022), breast cancer: halves-20-20-2, top 4-4-2.

  python main.py --config=configs/published/fu_breast_cancer.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fu_breast_cancer",
    arg,
    data=dict(name="breast_cancer"),
    model=common.model(
      "mlp", hidden=(20, 20), embedding=2, top=(4,), norm="none"
    ),
    train=dict(
      epochs=30, batch_size=16, learning_rate=0.01, schedule="constant"
    ),
    attacks=("passive_completion", "active_completion"),
    # as published: the best epoch by the true labels, beside the honest one
    evaluate=dict(aux_per_class=10, oracle=True),
    cpu={"seeds": 5},
  )
