"""Adult census income (OpenML) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/adult_mlp.py

Profile cpu (not the full experiment), 5 seeds: test auc 0.888 [0.883, 0.893].
Passive completion on test rows: party 0 0.809 against 0.782 (features only),
advantage +0.027 [+0.000, +0.053]; party 1 0.810 against 0.787 (features
only), advantage +0.023 [-0.033, +0.078].
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
