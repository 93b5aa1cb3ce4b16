"""Reads a search space from TOML, checked against what the families and training know."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpbench.cell import Scalar
from kpbench.errors import UsageError, nearest
from kpbench.space.space import Choice, Defaults, Parameter, Range, SearchSpace, levels

SECTIONS = ("network", "training")
TOP = ("title", "description", "family", "baseline", "prior", "budget", *SECTIONS)
BUDGET = ("epochs", "n_trials")
LARGEST = 2**53
"""Whole numbers up to here are exact as decimals too."""


def read_space(path: Path, defaults: Defaults) -> SearchSpace:
    """The search space defined in a TOML file.

    Raises:
        UsageError: as `read_table` and `space_of`.
    """
    return space_of(*read_table(path), path, defaults)


def read_table(path: Path) -> tuple[dict[str, Any], str]:
    """The table in a TOML file, and its text.

    Raises:
        UsageError: it cannot be read as TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (saved as UTF-16, or packed?); save it as UTF-8") from error
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError, numbers past Python's limit
        raise UsageError(f"{path}: cannot be read as TOML: {' '.join(str(error).split())}") from error


def space_of(table: dict[str, Any], text: str, path: Path, defaults: Defaults) -> SearchSpace:
    """The search space that a table defines.

    A bare value is fixed, a list is a choice, `{ low, high, log }` is a range (whole bounds: whole numbers),
    `{ choices | value | low, high, when = { name = [values] } }` applies only under a condition on another parameter.
    A parameter that only some of the space's families know is given to those alone.

    Raises:
        UsageError: a misspelt or unknown key, a value of another type than the parameter's, low > high, an empty list,
            a condition, a baseline or a prior outside the space, a budget below 1. The file, the key and the remedy are
            named.
    """

    def refuse(key: str, problem: str) -> UsageError:
        return UsageError(f"{path}: {key}: {problem}")

    for key in table:
        if key not in TOP:
            raise refuse(key, f"unknown key; {nearest(key, TOP)}")
    for key in ("title", "description"):
        if not isinstance(table.get(key, ""), str):
            raise refuse(key, "must be text")
    if "family" not in table:
        raise refuse("family", f"missing; name one or a list of {', '.join(sorted(defaults))}")
    entries: dict[str, Any] = {"family": table["family"]}
    for section in SECTIONS:
        values = table.get(section, {})
        if not isinstance(values, dict):
            raise refuse(section, f"must be a table, [{section}]")
        entries |= {f"{section}.{key}": value for key, value in values.items()}

    parameters: dict[str, Parameter] = {}
    for key, value in entries.items():
        try:
            parameters[key] = _read_parameter(value)
        except ValueError as error:
            raise refuse(key, str(error)) from error
    families = parameters["family"]
    if isinstance(families, Range) or families.when:
        raise refuse("family", "must be a name or a list of names")
    for family in families.values:
        if family not in defaults:
            raise refuse("family", f"unknown family '{family}'; {nearest(str(family), defaults)}")
    known = {str(family): defaults[str(family)] for family in families.values}

    for key, parameter in list(parameters.items()):
        if key == "family":
            continue
        owners = tuple(family for family, names in known.items() if key in names)
        if not owners:
            everything = {name for names in known.values() for name in names}
            raise refuse(key, f"no such parameter of {', '.join(known)}; {nearest(key, everything)}")
        try:
            parameter = _as_type_of(parameter, known[owners[0]][key])
        except ValueError as error:
            raise refuse(key, str(error)) from error
        if len(owners) < len(known):
            wanted = tuple(family for family in parameter.when.get("family", owners) if family in owners)
            if not wanted:
                raise refuse(f"{key}.when", f"only {', '.join(owners)} has this parameter")
            parameter = replace(parameter, when={**parameter.when, "family": wanted})
        parameters[key] = parameter
    for key, parameter in parameters.items():
        for name, allowed in parameter.when.items():
            other = parameters.get(name)
            if other is None or name == key:
                raise refuse(f"{key}.when", f"'{name}' is no other parameter of this space")
            if missing := [value for value in allowed if value not in (levels(other) or ())]:
                raise refuse(f"{key}.when", f"{name} is never {missing[0]!r}, or not one of a few values")
    ordered = _conditions_first(parameters)
    if ordered is None:
        raise refuse("when", "conditions go round in a circle")
    return SearchSpace(
        path.stem,
        str(table.get("title", path.stem)),
        ordered,
        baseline=_point(table, "baseline", ordered, refuse),
        prior=_point(table, "prior", ordered, refuse),
        budget=_budget(table, refuse),
        text=text,
    )


def parameters_in(text: str) -> dict[str, Parameter]:
    """The parameters in the text of a space, as they stand there; none where it cannot be read.

    For who has a study's space and not the families that it was checked against.
    """
    try:
        table = tomllib.loads(text)
        entries = {"family": table["family"]}
        entries |= {f"{part}.{key}": value for part in SECTIONS for key, value in table.get(part, {}).items()}
        return {name: _read_parameter(value) for name, value in entries.items()}
    except (ValueError, KeyError, AttributeError):
        return {}


def _read_parameter(value: Any) -> Parameter:
    if not isinstance(value, dict):
        return Choice(_values(value if isinstance(value, list) else [value]), {})
    for key in value:
        if key not in (keys := ("choices", "value", "low", "high", "log", "when")):
            raise ValueError(f"unknown key '{key}'; {nearest(key, keys)}")
    when = value.get("when", {})
    if not isinstance(when, dict):
        raise ValueError("'when' must be a table: when = { name = [values] }")
    condition = {name: _values(v if isinstance(v, list) else [v]) for name, v in when.items()}
    kinds = [kind for kind in ("choices", "value", "low") if kind in value]
    if len(kinds) != 1:
        raise ValueError("give exactly one of a value, choices, or low and high")
    if kinds != ["low"]:
        values = value["choices"] if kinds == ["choices"] else [value["value"]]
        if not isinstance(values, list):
            raise ValueError("choices must be a list")
        return Choice(_values(values), condition)
    low, high, log = value["low"], value.get("high"), value.get("log", False)
    if high is None or not all(_is_number(bound) for bound in (low, high)):
        raise ValueError("low and high must both be numbers up to 2^53")
    if not isinstance(log, bool):
        raise ValueError("log must be true or false")
    if low > high:
        raise ValueError(f"low {low} is greater than high {high}")
    if log and low <= 0:
        raise ValueError(f"a log range must start above 0, low is {low}")
    return Choice((low,), condition) if low == high else Range(low, high, log, condition)


def _values(values: list[Any]) -> tuple[Scalar, ...]:
    if not values:
        raise ValueError("the list is empty; give at least one value")
    for value in values:
        plain = isinstance(value, bool | int | float | str)
        if not plain or (isinstance(value, int | float) and not abs(value) <= LARGEST):
            raise ValueError(f"{str(value)[:40]} is no number up to 2^53, text, true or false")
    _refuse_repeats(tuple(values))
    return tuple(values)


def _refuse_repeats(values: tuple[Scalar, ...]) -> None:
    if len({(type(value), value) for value in values}) < len(values):
        raise ValueError("a value stands twice in the list")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _as_type_of(parameter: Parameter, default: Scalar) -> Parameter:
    """The parameter with its values in the type of the default; a whole number stands for a decimal one."""

    def convert(value: Scalar) -> Scalar:
        if type(default) is float and type(value) is int:
            return float(value)
        if type(value) is not type(default):
            words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
            raise ValueError(f"must be {words[type(default)]}, got {value!r}")
        return value

    if isinstance(parameter, Choice):
        values = tuple(convert(value) for value in parameter.values)
        _refuse_repeats(values)  # 1 and 1.0 are one decimal number
        return replace(parameter, values=values)
    low, high = convert(parameter.low), convert(parameter.high)
    if isinstance(low, str) or isinstance(high, str):
        raise ValueError("a range needs a number")
    return replace(parameter, low=low, high=high)


def _conditions_first(parameters: Mapping[str, Parameter]) -> dict[str, Parameter] | None:
    ordered: dict[str, Parameter] = {}
    rest = dict(parameters)
    while rest:
        ready = [name for name, parameter in rest.items() if all(other in ordered for other in parameter.when)]
        if not ready:
            return None
        for name in ready:
            ordered[name] = rest.pop(name)
    return ordered


def _budget(table: dict[str, Any], refuse: Any) -> dict[str, int]:
    budget = table.get("budget", {})
    if not isinstance(budget, dict):
        raise refuse("budget", "must be a table, [budget]")
    for key, value in budget.items():
        if key not in BUDGET:
            raise refuse(f"budget.{key}", f"unknown key; {nearest(key, BUDGET)}")
        if type(value) is not int or value < 1:
            raise refuse(f"budget.{key}", f"must be a whole number of at least 1, got {value!r}")
    return budget


def _point(table: dict[str, Any], section: str, parameters: Mapping[str, Parameter], refuse: Any) -> dict[str, Scalar]:
    """A value for some parameters: the baseline of an ablation, the prior of a search."""
    point = table.get(section, {})
    if not isinstance(point, dict):
        raise refuse(section, f"must be a table, [{section}]")
    flat: dict[str, Any] = {}
    for key, value in point.items():
        flat |= {f"{key}.{name}": v for name, v in value.items()} if isinstance(value, dict) else {key: value}
    for key, value in flat.items():
        if key not in parameters:
            raise refuse(f"{section}.{key}", f"no parameter of this space; {nearest(key, parameters)}")
        flat[key] = _inside(parameters[key], value)
        if flat[key] is None:
            raise refuse(f"{section}.{key}", f"{value!r} is outside the space")
    return flat


def _inside(parameter: Parameter, value: Any) -> Scalar | None:
    """The value as the parameter has it, 1 as 1.0 where that is a decimal number; None where it does not have it."""
    if isinstance(parameter, Choice):
        same = (own for own in parameter.values if own == value and isinstance(own, bool) == isinstance(value, bool))
        return next(same, None)
    if not _is_number(value) or not parameter.low <= value <= parameter.high:
        return None
    whole = isinstance(parameter.low, int) and isinstance(parameter.high, int)
    return (int(value) if value == int(value) else None) if whole else float(value)
