"""Registries of builders: lookup, near matches, and checks of options."""

import collections.abc
from collections.abc import Callable, Iterable, Mapping
import difflib
import functools
import importlib
import inspect
import sys
import types
import typing
from typing import Any


def build(kind: str, entries: Mapping[str, Any], name: str, *args, **keywords):
  """Check the options of the named builder, and call it.

  The same call returns the same object again: experiments then share its
  functions, and with them their compiled programs.

  Args:
    kind: what is built, for error messages, e.g. "attack".
    entries: builders by name.
    name: name of an entry, or the user's own `package.module:builder`.
    *args: positional arguments of the builder.
    **keywords: options; keyword-only parameters of the builder, with values
      that fit their annotations.

  Raises:
    ValueError: the name or an option is unknown, or the value of an option
      does not fit; the builder may refuse a value too.

  >>> def mlp(*, hidden: tuple[int, ...] = (8,)): return hidden
  >>> build("model", {"mlp": mlp}, "mlp", hidden=("a",))
  Traceback (most recent call last):
  ...
  ValueError: model 'mlp': hidden is ('a',); it takes tuple[int, ...].
  """
  builder = lookup(entries, kind, name)
  accepted = parameters(builder)
  for key, value in keywords.items():
    if key not in accepted:
      raise ValueError(unknown(f"option of {kind} {name!r}", key, accepted))
    hint = accepted[key]
    if not fits(value, hint):
      raise ValueError(
        f"{kind} {name!r}: {key} is {value!r}; it takes {_in_words(hint)}."
      )
  key = builder, args, tuple(sorted(map(_frozen, keywords.items())))
  try:
    hash(key)
  except TypeError:  # unhashable options cannot be cached
    return builder(*args, **keywords)
  return _built(*key)


def _frozen(value: Any) -> Any:
  """The value with lists as tuples, at any depth."""
  if isinstance(value, (list, tuple)):
    return tuple(map(_frozen, value))
  return value


@functools.lru_cache(maxsize=1024, typed=True)
def _built(builder, args, keywords):
  return builder(*args, **dict(keywords))


def lookup(entries: Mapping[str, Any], kind: str, name: str) -> Any:
  """The entry of a registry, or the user's own `package.module:builder`.

  Such a module is imported from the import path; its name is printed to stderr
  before its code runs.

  Args:
    entries: builders by name.
    kind: what is looked up, for error messages.
    name: name of an entry, or `package.module:builder`.

  Raises:
    ValueError: the name is unknown, or its module cannot be imported.

  >>> lookup({"mlp": 1}, "model", "mpl")
  Traceback (most recent call last):
  ...
  ValueError: unknown model 'mpl'; did you mean 'mlp'? Known: mlp.
  """
  if not isinstance(name, str):
    raise ValueError(unknown(kind, name, entries))
  if name in entries:
    return entries[name]
  if ":" in name:
    module, _, attribute = name.partition(":")
    _announce(kind, name)
    try:
      loaded = importlib.import_module(module)
    except ImportError as error:
      raise ValueError(
        f"{kind} {name!r} could not be loaded ({error}); a name with a "
        "colon is package.module:builder and must be importable."
      ) from error
    if not hasattr(loaded, attribute):
      raise ValueError(
        f"{kind} {name!r} could not be loaded: {module} has no {attribute!r}."
      )
    return getattr(loaded, attribute)
  raise ValueError(unknown(kind, name, entries))


@functools.cache
def _announce(kind: str, name: str) -> None:
  print(f"the config names code of its own: {kind} {name}", file=sys.stderr)


def unknown(kind: str, name: Any, known: Iterable[str]) -> str:
  """The error message for an unknown name: near match, and all known names.

  Args:
    kind: what the name should be one of.
    name: the unknown name.
    known: the names that are allowed.
  """
  known = sorted(known)
  near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
  hint = f" did you mean {near[0]!r}?" if near else ""
  listed = ", ".join(known) or "none"
  return f"unknown {kind} {name!r};{hint} Known: {listed}."


def parameters(builder: Callable) -> dict[str, Any]:
  """Annotations, by name, of the options that a config may set.

  Options are keyword-only parameters. Those that a partial has fixed are left
  out.
  """
  fixed = getattr(builder, "keywords", {})
  keywords = _keywords(getattr(builder, "func", builder))
  return {n: hint for n, hint in keywords.items() if n not in fixed}


@functools.cache  # called for every cell of a study
def _keywords(function: Callable) -> dict[str, Any]:
  hints = typing.get_type_hints(function)
  return {
    name: hints.get(name, Any)
    for name, p in inspect.signature(function).parameters.items()
    if p.kind is p.KEYWORD_ONLY
  }


def fits(value: Any, hint: Any) -> bool:
  """Whether a value from a config fits an annotation.

  Lists count as tuples, and integers as floats.

  >>> fits((3, 4), tuple[int, ...]), fits(2, float), fits(True, int)
  (True, True, False)
  """
  if hint is Any:
    return True
  origin, args = typing.get_origin(hint), typing.get_args(hint)
  if origin is typing.Literal:
    return value in args
  if origin in (typing.Union, types.UnionType):
    return any(fits(value, a) for a in args)
  if hint in (int, float):
    wanted = (int, float) if hint is float else int
    return isinstance(value, wanted) and not isinstance(value, bool)
  if (origin or hint) in (tuple, collections.abc.Sequence):
    elements = [a for a in args if a is not ...] or [Any]
    if not isinstance(value, (tuple, list)):
      return False
    if len(elements) == 1:
      return all(fits(v, elements[0]) for v in value)
    return len(elements) == len(value) and all(map(fits, value, elements))
  return isinstance(value, origin or hint)


def _in_words(hint: Any) -> str:
  """An annotation as text, for error messages."""
  if typing.get_origin(hint) is typing.Literal:
    return " or ".join(map(repr, typing.get_args(hint)))
  name = hint.__name__ if isinstance(hint, type) else str(hint)
  if typing.get_origin(hint):
    name = str(hint)
  return name.replace("collections.abc.", "").replace("typing.", "")
