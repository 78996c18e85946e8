"""Credit card default (OpenML) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/credit_default_deepfm.py

Profile cpu (not the full experiment), 5 seeds: test auc 0.755 [0.746, 0.765].
Passive completion on test rows: party 0 0.726 against 0.680 (features only),
advantage +0.045 [+0.023, +0.067]; party 1 0.539 against 0.559 (features
only), advantage -0.020 [-0.087, +0.047].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "credit_default_deepfm",
    arg,
    data=dict(name="credit_default", encoding="fields"),
    model=common.model("deepfm", embedding=8, top=(16, 8)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
