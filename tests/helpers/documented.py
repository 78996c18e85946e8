"""Tables of the documents, made from the committed results.

`python -m tests.helpers.documented NAME` prints one, to be pasted; a test
compares.
"""

import functools
import pathlib
import sys

import pandas as pd

from vfl_jax.results.answers import cells as answer_cells
from vfl_jax.results.answers.cuts import NO_COST
from vfl_jax.results.answers import information as answer_information
from vfl_jax.results.answers import verdicts
from vfl_jax.results import intervals
from vfl_jax.results.pages import tradeoff

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "results"
TEXTS = {"strength": str, "task": str}


def results(name: str) -> pd.DataFrame:
  """A committed table."""
  return pd.read_csv(DOCS / f"{name}.csv", dtype=TEXTS)


def line(*cells: str) -> str:
  return f"| {' | '.join(cells)} |"


def words(text: str) -> str:
  return str(text).replace("_", " ")


def between(row, name: str, form: str = "{:.3f}", ends: str = "") -> str:
  """A mean and its interval; `ends` is where the interval's columns begin."""
  mean = form.format(row[name])
  low, high = (row[f"{ends or name + '_'}{end}"] for end in ("low", "high"))
  if low != low:
    return mean
  return f"{mean} [{form.format(low)}, {form.format(high)}]"


def signed(row, name: str, ends: str = "") -> str:
  return between(row, name, "{:+.3f}", ends)


# --- every config -----------------------------------------------------------

OLD = "before 2026-11-27"


def configs() -> list[str]:
  """A row per config: its main task, and test rows of both parties.

  A star marks rows that were made under earlier controls.
  """
  tests = results("configs").query("rows == 'test'")
  rows = []
  for name, parties in tests.groupby("config"):
    first = parties.iloc[0]
    found = [
      cell
      for row in parties.sort_values("party").to_dict("records")
      for cell in (
        f"{row['attack']:.3f} / {row['control_score']:.3f}",
        signed(row, "advantage"),
      )
    ]
    star = "\\*" if (parties["made"] == OLD).all() else ""
    task = between(first, "main")
    rows.append(line(f"`{name}`{star}", f"{first['metric']} {task}", *found))
  return rows


def full() -> list[str]:
  """A row per party and kind of rows; two variants of completion."""
  frame = results("full")
  frozen = frame["variant"].str.startswith("frozen")
  rows = []
  for row, other in zip(
    frame[frozen].to_dict("records"),
    frame[~frozen].to_dict("records"),
    strict=True,
  ):
    scores = [f"{row[k]:.3f}" for k in ("attack", "control_score", "ceiling")]
    where = f"party {row['party']}, {row['rows']}"
    rows.append(
      line(where, *scores, signed(row, "advantage"), f"{other['attack']:.3f}")
    )
  return rows


# --- attacks ----------------------------------------------------------------


def planted() -> list[str]:
  """Leak, strongest attack, and at every strength its AUC and the best's."""
  means = results("planted").groupby(["on", "kind", "attack", "strength"])
  means = means["auc"].mean().unstack()
  rows = []
  for (on, kind), found in means.groupby(["on", "kind"], sort=False):
    found = found.droplevel(["on", "kind"])
    most = found.drop("best classifier").mean(axis=1).idxmax()
    best = found.loc["best classifier"]
    cells = [f"{a:.2f} / {b:.2f}" for a, b in zip(found.loc[most], best)]
    rows.append(line(on, kind, f"`{most}`", *cells))
  return rows


# --- defences ---------------------------------------------------------------


@functools.cache
def defended(name: str = "defenses") -> tuple[pd.DataFrame, pd.DataFrame]:
  """Every cell of a study of defences, and the comparisons among them."""
  cells = answer_cells.gathered(results(name))
  return cells, pd.DataFrame(verdicts.advances(cells))


def defenses_usual() -> list[str]:
  cells, _ = defended()
  usual = cells[(cells["defense"] == "none") & (cells["advance"] == 0)]
  return [
    line(
      words(row["data"]),
      f"{row['utility']:.3f}",
      *(f"{row[k]:+.3f}" for k in ("completion", "gradient", "clustering")),
      f"{row['exposed']:.2f}",
    )
    for row in usual.to_dict("records")
  ]


def defenses_alone(name: str = "defenses") -> list[str]:
  _, steps = defended(name)
  return [
    line(
      words(row["data"]),
      str(row["advance"]),
      signed(row, "utility"),
      signed(row, "leakage"),
      f"{row['exposed']:+.2f}",
      row["verdict"],
    )
    for row in steps[steps["question"] == "alone"].to_dict("records")
  ]


@functools.cache
def lucky(name: str) -> dict[tuple[str, str, int], int]:
  """Wins that chance alone would allow, by question, data and stages."""
  cells, steps = defended(name)
  return {
    (question, data, int(stages)): count
    for stages, asked in steps.groupby("advance")
    for (question, data), count in verdicts.by_chance(cells, asked).items()
  }


def defenses_counts(name: str = "defenses") -> list[str]:
  _, steps = defended(name)
  luck = lucky(name)
  return [
    line(
      row["question"],
      words(row["data"]),
      str(row["advance"]),
      *(str(row[v]) for v in tradeoff.VERDICTS),
      str(
        luck[row["question"].split(" of a ")[0], row["data"], row["advance"]]
      ),
    )
    for row in tradeoff.counts(steps).to_dict("records")
  ]


# --- the paper's claims -----------------------------------------------------


def information() -> list[str]:
  """A row per pair: the classifier's figures, and MINE's verdicts."""
  frame = results("information")
  rows = []
  for (data, model), part in frame.groupby(["data", "model"], sort=False):
    by = {(r["estimator"], r["samples"]): r for r in part.to_dict("records")}
    own = by["classifier", "held out"]
    cells = [words(data), str(model)]
    for place in ("bottom", "joint"):
      gain = between(own, f"{place}_gain", "{:+.2f}")
      cells += [
        f"{own[place]:+.2f}",
        gain,
        answer_information.verdict(own, place),
      ]
    for key in (("classifier", "trained on"), ("mine", "held out")):
      cells += [
        answer_information.verdict(by[key], place)
        for place in ("bottom", "joint")
      ]
    cells += [f"{own[k]:.2f}" for k in ("input", "cut", "output")]
    rows.append(line(*cells, f"{own['marked']:.0%}"))
  return rows


def compensation() -> list[str]:
  """A row per data set and cut."""
  share = "{:.0%}"
  return [
    line(
      words(row["data"]),
      str(row["cut"]),
      between(row, "federation"),
      between(row, "share_random", share),
      between(row, "share_fresh", share),
      between(row, "share_central", share),
      *(
        f"{row[k]:.2f}"
        for k in ("probe", "untrained", "probe_mlp", "untrained_mlp", "joint")
      ),
    )
    for row in results("compensation").to_dict("records")
  ]


def reassignment() -> list[str]:
  """A row per data set and task."""
  rows = []
  for row in results("reassignment").to_dict("records"):
    ceiling = row["ceiling"]
    known = ceiling == ceiling
    rows.append(
      line(
        words(row["data"]),
        row["task"],
        between(row, "utility"),
        f"{ceiling:.3f}" if known else "",
        f"{row['few_labels']:+.3f}",
        f"{row['embeddings_score']:.3f}",
        *(
          signed(row, f"{kind}_advantage", f"{kind}_")
          if row[f"{kind}_advantage"] == row[f"{kind}_advantage"]
          else ""
          for kind in ("embeddings", "train", "gradients", "clustering")
        ),
      )
    )
  return rows


def alignment() -> list[str]:
  """A row per strength: passive completion by party 0, test and train rows."""
  frame = results("alignment")
  frame = frame[
    (frame["attack"] == "passive_completion") & (frame["party"] == 0)
  ]
  rows = []
  for (data, _), part in frame.groupby(["data", "told"], sort=False):
    test, train = (
      part[part["rows"] == where].iloc[0] for where in ("test", "train")
    )
    rows.append(
      line(
        words(str(data)),
        f"{test['told']:.2f}",
        between(test, "utility"),
        f"{test['score']:.3f}",
        f"{test['control']:.3f}",
        signed(test, "advantage"),
        signed(train, "advantage"),
      )
    )
  return rows


def cuts() -> list[str]:
  """The reference cut and up to three stages before it, by data set."""
  frame = results("cuts")
  rows = []
  for row in frame[frame["advance"].between(0, 3)].to_dict("records"):
    rows.append(
      line(
        words(row["data"]),
        str(row["cut"]),
        between(row, "utility"),
        *(
          signed(row, kind) if row[kind] == row[kind] else ""
          for kind in ("completion", "adaptive", "gradient", "clustering")
        ),
        f"{row['exposed']:.2f}",
        f"{row['up_bytes'] + row['down_bytes']:,}",
        f"{row['flops_total'] / 1e3:,.0f}",
        f"{row['flops_active'] / row['flops_total']:.0%}",
      )
    )
  return rows


# --- the README's table of claims --------------------------------------------


def _claim(name: str, holds: str, fails: str, link: str) -> str:
  return line(name, holds, fails, link)


def _grows() -> str:
  frame = results("information")
  n = len(frame[["data", "model"]].drop_duplicates())

  def count(samples, place, verdict="grows", estimator="classifier"):
    part = frame[
      (frame["samples"] == samples) & (frame["estimator"] == estimator)
    ]
    return sum(
      answer_information.verdict(r, place) == verdict
      for r in part.to_dict("records")
    )

  return _claim(
    "Information about labels grows with depth",
    f"all parties together: in {count('held out', 'joint')} of {n} pairs of "
    f"data and model on held-out rows, in {count('trained on', 'joint')} on "
    "rows trained on",
    f"within a party: in {count('held out', 'bottom')} of {n} on held-out rows "
    f"(MINE: {count('held out', 'bottom', estimator='mine')}), and it falls in "
    f"{count('held out', 'bottom', 'falls')}; on rows trained on in "
    f"{count('trained on', 'bottom')}",
    "[information](docs/results/paper.md#information-by-depth)",
  )


_REFERENCE = {"credit_default": 4, "digits": 4, "fashion_mnist": 5}


def _compensates() -> str:
  frame = results("compensation").set_index(["data", "cut"])
  share = lambda cut: ", ".join(
    f"{frame.loc[(data, reference - cut), 'share_random']:.0%} ({words(data)})"
    for data, reference in _REFERENCE.items()
  )
  digits = frame.loc[("digits", _REFERENCE["digits"])]
  return _claim(
    "Bottoms extract features, the top maps labels",
    f"a top on random bottoms keeps {share(3)} of the gain three stages before "
    "the reference cut",
    f"and {share(0)} at it: there trained bottoms map labels too "
    f"({digits['probe']:.2f} of H(Y) against {digits['untrained']:.2f} of "
    "random ones, digits)",
    "[compensation](docs/results/paper.md#model-compensation)",
  )


def _reassigned() -> str:
  frame = results("alignment").sort_values("told")
  told = frame[
    (frame["attack"] == "passive_completion")
    & (frame["rows"] == "test")
    & (frame["party"] == 0)
  ]
  first, last = told.iloc[0], told.iloc[-1]
  nothing = frame[frame["party"] != 0]
  wider = intervals.at_once(int(first["seeds"]), len(nothing))
  half = wider * (nothing["advantage"] - nothing["advantage_low"])
  shown = (nothing["advantage"] - half > 0).sum()
  return _claim(
    "Attacks fail where the task is reassigned",
    f"digits, {first['seeds']} splits: as a party's class says "
    f"{first['told']:.0%} to {last['told']:.0%} of the label, completion's "
    f"advantage on test rows goes from {signed(first, 'advantage')} to "
    f"{signed(last, 'advantage')}; where it says nothing, {shown} of "
    f"{len(nothing)} attacks are shown to find more than their control",
    "most of what attacks gain with alignment their controls gain too "
    f"({first['control']:.2f} to {last['control']:.2f}, completion "
    f"{first['score']:.2f} to {last['score']:.2f})",
    "[graded alignment](docs/results/paper.md#graded-alignment)",
  )


def _free() -> str:
  frame = results("cuts")
  holds, still, gradients, paid, none = [], [], [], [], []
  for data, part in frame.groupby("data", sort=False):
    by, name = part.set_index("advance"), words(data)
    usual, early = by.loc[0], by.loc[3]
    holds.append(
      f"{name} {early['utility'] - usual['utility']:+.3f} of the main task, "
      f"completion {usual['completion']:+.3f} to {early['completion']:+.3f}"
      + (" (not shown before either)" if usual["completion_low"] <= 0 else "")
    )
    # the widths of both intervals together bound that of the difference
    wide = sum(
      row["utility_high"] - row["utility_low"] for row in (usual, early)
    )
    if early["utility"] - usual["utility"] - wide / 2 >= -NO_COST:
      none.append(name)
    if early["completion_low"] > 0:
      still.append(f"{name} {signed(early, 'completion')}")
    if early["gradient_low"] > 0:
      gradients.append(
        f"{name} {usual['gradient']:+.3f} to {early['gradient']:+.3f}"
      )
    wire = early["up_bytes"] / usual["up_bytes"]
    paid.append(
      f"{name} {usual['exposed']:.0%} to {early['exposed']:.0%}, {wire:.1f} "
      "times"
    )
  return _claim(
    "Moving the cut forward defends at no cost",
    "against completion, three stages: " + "; ".join(holds),
    f"no cost (within {NO_COST}) is shown on {', '.join(none)} only; "
    f"completion still leaks: {'; '.join(still)}; gradients do: "
    f"{'; '.join(gradients)}; paid in features exposed and in traffic: "
    + "; ".join(paid),
    "[cuts](docs/results/paper.md#every-cut)",
  )


STUDIES = {
  "defenses": {
    "credit_default": "mlp",
    "digits": "mlp",
    "fashion_mnist": "lenet",
  },
  "combined": {
    "digits": "lenet",
    "breast_cancer": "mlp",
    "fashion_mnist": "mlp",
  },
}


def _wins(question: str) -> str:
  """By data and model: in how many the cut is better, and by chance."""
  said = []
  for study, models in STUDIES.items():
    _, steps = defended(study)
    asked = steps[(steps["question"] == question) & (steps["advance"] == 3)]
    for data, model in models.items():
      part = asked[asked["data"] == data]
      better = part[part["verdict"] == "dominates"]
      said.append(
        f"{words(data)} {model} {len(better)} of {len(part)} "
        f"({lucky(study)[question, data, 3]})"
      )
  return ", ".join(said)


def _helps() -> str:
  margins = verdicts.MARGINS
  return _claim(
    "It is better than other defences, and helps them",
    "three stages, better in one and not worse in the other of main task "
    f"(by {margins['utility']}) and leakage (by {margins['leakage']}), in "
    "parentheses how many chance would allow if all were equal: "
    f"instead of a defence {_wins('instead')}; on top of one "
    f"{_wins('on top')}",
    "the others are not told apart, or trade one for the other; on top of "
    "noise scaled to the messages (credit default) and of `adversarial` "
    "(digits, fashion mnist) the early cut leaks more",
    "[defences](docs/results/defenses.md)",
  )


def claims() -> list[str]:
  """Claim, where it holds, where it does not, details."""
  return [_grows(), _compensates(), _reassigned(), _free(), _helps()]


# by name: the file they stand in, and their rows
TABLES = {
  "defenses_usual": ("docs/results/defenses.md", defenses_usual),
  "defenses_alone": ("docs/results/defenses.md", defenses_alone),
  "defenses_counts": ("docs/results/defenses.md", defenses_counts),
  "combined_alone": (
    "docs/results/defenses.md",
    lambda: defenses_alone("combined"),
  ),
  "combined_counts": (
    "docs/results/defenses.md",
    lambda: defenses_counts("combined"),
  ),
  "information": ("docs/results/paper.md", information),
  "compensation": ("docs/results/paper.md", compensation),
  "reassignment": ("docs/results/paper.md", reassignment),
  "alignment": ("docs/results/paper.md", alignment),
  "cuts": ("docs/results/paper.md", cuts),
  "claims": ("README.md", claims),
  "configs": ("docs/results/README.md", configs),
  "full": ("docs/results/README.md", full),
  "planted": ("docs/attacks/README.md", planted),
}


if __name__ == "__main__":
  print("\n".join(TABLES[sys.argv[1]][1]()))
