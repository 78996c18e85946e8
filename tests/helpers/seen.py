"""Views of planted victims, from the words of a test."""

from vfl_jax.attacks import base

_BY_EPOCH = ("gradients", "embeddings", "pairs", "averages")


def view(*, public, recorded_rows=(), **seen):
  """A view; what is recorded is given by epoch, `gradients={0: ...}`."""
  shared = {k: seen.pop(k) for k in ("train", "test", "train_ids", "test_ids")}
  recorded = {k: seen.pop(k, {}) for k in _BY_EPOCH}
  made = base.View(
    public,
    base.Shared(**shared, recorded_rows=recorded_rows),
    base.Trial(**seen),
  )
  return replaced(made, **{k: v for k, v in recorded.items() if v})


def replaced(view, *, public=None, **changes):
  """The view with fields of either half replaced, or what was recorded."""
  recorded = dict(view.trial.recorded)
  for name in _BY_EPOCH:
    for epoch, value in changes.pop(name, {}).items():
      kept = recorded.get(epoch, base.Recorded(view.trial.bottom))
      recorded[epoch] = kept._replace(**{name: value})
  halves = {}
  for name in ("shared", "trial"):
    half = getattr(view, name)
    theirs = {k: changes.pop(k) for k in half._fields if k in changes}
    halves[name] = half._replace(**theirs)
  assert not changes, changes
  trial = halves["trial"]._replace(recorded=recorded)
  return view._replace(
    public=public or view.public, shared=halves["shared"], trial=trial
  )
