"""The site's contents, and pages that follow from the registries.

A hook of mkdocs: a page per defence, estimator and task with what its builder
says, its options, and a picture from the committed results of real runs.
"""

import io
import pathlib

import matplotlib
from mkdocs.structure import files as site
import pandas as pd

from vfl_jax import attacks
from vfl_jax.config import entries
from vfl_jax.data import tasks
from vfl_jax import defenses
from vfl_jax import information
from vfl_jax.results.figures import style

HERE = pathlib.Path(__file__).resolve().parent
FIRST = [
  {"Getting started": "index.md"},
  {"Concepts": "concepts.md"},
  {"How a number comes about": "evaluation.md"},
  {"Running experiments": "running.md"},
]
LAST = [
  {"Adding your own": "extending.md"},
  {"Architecture": "architecture.md"},
  {"Theory": "theory.md"},
  {
    "Results": [
      "results/README.md",
      "results/paper.md",
      "results/defenses.md",
      "results/fu.md",
      "results/anchors.md",
      "results/speed.md",
    ]
  },
  {"Questions and limits": "faq.md"},
  {"Python": "api.md"},
]
ROOMS = {
  "Attacks": ("attacks", attacks.ATTACKS),
  "Defences": ("defenses", defenses.DEFENSES),
  "Estimators": ("estimators", information.ESTIMATORS),
  "Tasks": ("tasks", tasks.TASKS),
}
CLIP = -0.1  # an advantage below zero is none


def on_config(config):
  config.nav = [
    *FIRST,
    *(
      {
        title: [
          f"{folder}/README.md",
          *({name: f"{folder}/{name}.md"} for name in _written(folder, names)),
        ]
      }
      for title, (folder, names) in ROOMS.items()
    ),
    *LAST,
  ]
  return config


def _written(folder, names):
  """Attacks' pages are written by hand, one for several of a kind."""
  if folder != "attacks":
    return list(names)
  return [n for n in names if (HERE / folder / f"{n}.md").is_file()]


def on_files(files, config):
  frames = {
    name: pd.read_csv(
      HERE / "results" / f"{name}.csv", dtype={"strength": str, "task": str}
    )
    for name in ("defenses", "estimators", "reassignment")
  }
  pages = {
    "defenses": (defenses.DEFENSES, _defense, frames["defenses"]),
    "estimators": (
      information.ESTIMATORS,
      _estimator,
      frames["estimators"],
    ),
    "tasks": (tasks.TASKS, _task, frames["reassignment"]),
  }
  for folder, (names, page, frame) in pages.items():
    for name, builder in names.items():
      with matplotlib.rc_context(style.RC):
        text, figure = page(name, builder, frame)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
      for suffix, content in ((".md", text), (".png", picture.getvalue())):
        files.append(
          site.File.generated(
            config, f"{folder}/{name}{suffix}", content=content
          )
        )
  return files


def _head(name, builder, use):
  return (
    f"# {name}\n\n"
    f"    {use}\n\n"
    f"::: {builder.__module__}.{builder.__qualname__}\n"
    "    options:\n"
    "      heading_level: 3\n\n"
    "## In real runs\n\n"
  )


def _defense(name, builder, frame):
  data = list(dict.fromkeys(frame["data"]))
  own = frame[frame["defense"] == ("none" if name == "cut" else name)]
  figure, axes = style.subplots(
    1, len(data), sharey=True, figsize=(3.1 * len(data), 3.0)
  )
  for axis, which in zip(axes, data, strict=True):
    part = frame[frame["data"] == which]
    usual = part[part["defense"] == "none"].sort_values("advance")
    axis.plot(
      usual["utility"],
      usual["leakage"].clip(lower=CLIP),
      color=style.GREY,
      marker="*",
      linewidth=0.8,
      label="no defence, cut 0 to 3 stages earlier",
    )
    lines = own[own["data"] == which]
    if name != "cut":
      for advance, face in ((0, "white"), (3, style.COLOURS[0])):
        points = lines[lines["advance"] == advance]
        axis.plot(
          points["utility"],
          points["leakage"].clip(lower=CLIP),
          color=style.COLOURS[0],
          marker="o",
          markerfacecolor=face,
          linewidth=0.8,
          linestyle="-" if advance else "--",
          label=f"{name}, cut {advance} stages earlier"
          if advance
          else f"{name}, usual cut",
        )
    axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    axis.set_title(which.replace("_", " "))
    axis.set_xlabel(f"test {part['metric'].iloc[0]}")
    if name != "cut" and lines.empty:
      axis.text(0.03, 0.03, "does not apply", transform=axis.transAxes)
  axes[0].set_ylabel("leakage advantage")
  style.legend_above(figure, axes[0])
  use = f"--config.defenses=\"('{name}',)\""
  knows = ", ".join(
    f"`{attack}`"
    for attack, _ in entries.pieces(_built(name, builder).adaptive)
  )
  said = (
    f"Attacks that know it (`attacks=('adaptive',)`): {knows}.\n\n"
    if knows
    else ""
  )
  text = (
    _head(name, builder, use) + f"![Main task against leakage]({name}.png)\n\n"
    "Main task against leakage, a point per strength: the largest advantage "
    "of any attack over its strongest control on training rows (below "
    f"{CLIP}: drawn there), means of five seeds. Stars are the bare model with "
    "its cut moved forward stage by stage. Study and numbers: "
    "[every defence](../results/defenses.md), "
    "[defenses.csv](../results/defenses.csv).\n\n" + said
  )
  return text, figure


def _built(name, builder):
  return builder() if name != "cut" else defenses.build("cut")


def _estimator(name, builder, frame):
  own = frame[frame["estimator"] == name]
  problem = own["problem"].iloc[0]
  figure, axis = style.subplots(figsize=(4.6, 3.4))
  top = max(own["truth"].max(), own["nats"].max()) * 1.05
  axis.plot([0, top], [0, top], color=style.GREY, linestyle=":", label="truth")
  axis.errorbar(
    own["truth"],
    own["nats"],
    yerr=own["interval"],
    color=style.COLOURS[0],
    linestyle="none",
    marker="o",
    markersize=4,
    label=f"{name}, 95 % over samples",
  )
  axis.plot(
    own["truth"],
    own["floor"],
    color=style.COLOURS[1],
    linestyle="none",
    marker="_",
    label="floor: permuted targets",
  )
  axis.set_xlabel("I(T;Y), nats")
  axis.set_ylabel("estimate, nats")
  axis.legend(loc="upper left")
  figure.tight_layout()
  use = f"--config.information.estimators=\"('{name}',)\""
  compared = set(pd.read_csv(HERE / "results" / "calibration.csv")["estimator"])
  text = (
    _head(name, builder, use) + f"![Estimate against truth]({name}.png)\n\n"
    f"{problem}; 2,000 samples, three draws, default settings; what it says "
    "is of held-out rows. Numbers: "
    "[estimators.csv](../results/estimators.csv)."
    + (
      " Over 1,296 problems: [which to believe]"
      "(README.md#which-estimator-to-believe).\n"
      if name in compared
      else "\n"
    )
  )
  return text, figure


def _task(name, builder, frame):
  del builder
  kinds = frame["task"].str.split().str[0]
  own = frame[kinds == name].assign(of="this task")
  usual = frame[kinds == "identity"]
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    1, 2, sharey=True, figsize=(8.4, 0.42 * len(data) * 2 + 1.4)
  )
  for offset, part, colour, label in (
    (-0.14, usual, style.GREY, "the natural task"),
    (0.14, own, style.COLOURS[0], f"{name}"),
  ):
    for k, which in enumerate(data):
      rows = part[part["data"] == which]
      for i, row in enumerate(rows.to_dict("records")):
        y = k + offset + 0.1 * i
        axes[0].plot(
          [row["utility_low"], row["utility_high"]], [y, y], color=colour
        )
        axes[0].plot(
          row["utility"],
          y,
          marker="o",
          color=colour,
          linestyle="none",
          label=label if k == 0 and i == 0 else None,
        )
        axes[1].plot(
          [row["embeddings_low"], row["embeddings_high"]], [y, y], color=colour
        )
        axes[1].plot(row["embeddings_advantage"], y, marker="o", color=colour)
  axes[0].set_yticks(range(len(data)), [d.replace("_", " ") for d in data])
  axes[0].invert_yaxis()
  axes[0].set_xlabel("main task, balanced accuracy on test rows")
  axes[1].set_xlabel("advantage of the strongest attack on embeddings")
  axes[1].axvline(0, color=style.GREY, linewidth=0.8, linestyle=":")
  style.legend_above(figure, axes[0])
  text = (
    _head(name, tasks.TASKS[name], f"--config.task.name={name}")
    + f"![Main task and leakage]({name}.png)\n\n"
    "Main task and attacks on embeddings (test rows, over the strongest "
    "control), with 95 % intervals over seeds"
    + ("; lines from above are alpha = .75, .5, .25 and 0" * (name == "mix"))
    + ". What the attacks are held against, gradients, and rows trained on: "
    "[reassignment](../results/paper.md#reassignment), "
    "[reassignment.csv](../results/reassignment.csv).\n"
  )
  return text, figure
