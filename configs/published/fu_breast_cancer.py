"""Fu et al. (2022), breast cancer: halves-20-20-2, top 4-4-2.

  python main.py --config=configs/published/fu_breast_cancer.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.968 [0.951,
0.985]. Passive completion on test rows: party 0 0.897 against 0.910 (features
only), advantage -0.013 [-0.086, +0.061]; party 1 0.915 against 0.915
(features only), advantage +0.000 [-0.080, +0.080].
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
