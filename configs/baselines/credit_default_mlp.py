"""Credit card default (OpenML) in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/credit_default_mlp.py

Profile cpu (not the full experiment), 5 seeds: test auc 0.744 [0.739, 0.749].
Passive completion on test rows: party 0 0.716 against 0.680 (features only),
advantage +0.036 [+0.013, +0.059]; party 1 0.522 against 0.559 (features
only), advantage -0.037 [-0.093, +0.019].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "credit_default_mlp",
    arg,
    data=dict(name="credit_default"),
    model=common.model("mlp", hidden=(64, 32, 16), embedding=8, top=(16, 8)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
