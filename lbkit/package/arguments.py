"""What a caller gave, as a Spec and a target. Every mistake is found, and named in the caller's spelling."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.output import Unknown

from lbkit.errors import Problem, SpecError
from lbkit.package import types
from lbkit.package.spelling import SPEC, camel, homes, respelled, without
from lbkit.spec import Spec
from lbkit.spec.base import Model, join, shown
from lbkit.spec.inputs import TOO_LATE, instead_of_late, is_output
from lbkit.targets.base import Target


def arguments(given: Mapping[str, Any]) -> tuple[Spec, Target, str]:
    """Spec, target, and the argument that chose the target. Raises SpecError, worded for the caller."""
    problems: list[Problem] = []
    home = _home(given, problems)
    spec = _loaded(Spec, given.get(SPEC, {}), SPEC, problems)
    target = _loaded(homes()[home], given[home], home, problems) if home else None
    if problems or spec is None or target is None:
        raise SpecError("LoadBalancer's arguments are not right", problems)
    return spec, target, home


def _home(given: Mapping[str, Any], problems: list[Problem]) -> str:
    known = [name for name in homes() if given.get(name) is not None]
    for name in given:
        if name not in (SPEC, *homes()):
            problems.append(_unknown(name, name, [SPEC, *homes()]))
    if len(known) == 1:
        return known[0]
    choice = f"Give exactly one of {', '.join(f'`{name}`' for name in homes())}."
    reason = "A balancer has one home." if known else "Nothing says where the balancer runs."
    problems.append(Problem(" and ".join(known) or next(iter(homes())), reason, choice))
    return ""


def _loaded(model: Any, given: Any, at: str, problems: list[Problem]) -> Any:
    """The model, or None after a problem. What a reader complained of is not reported a second time."""
    reader, found = _Reader(), None
    try:
        found = model.load(reader.model(given, model, at), at=at)
    except SpecError as error:
        known = tuple(f"{problem.path}." for problem in reader.problems) or ("\0",)
        found_too = map(respelled, error.problems)
        reader.problems += [problem for problem in found_too if not f"{problem.path}.".startswith(known)]
    problems += reader.problems
    return found


class _Reader:
    """Renames keys, and finds what pydantic could not word for this caller."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def model(self, given: Any, model: type[Model], at: str) -> Any:
        if not isinstance(given, Mapping):
            return given
        data: dict[str, Any] = {}
        names = {camel(name): (name, hint) for name, _, hint in types.fields(model)}
        off = {without(name): name for name, field, hint in types.fields(model) if types.none_means(field, hint)}
        for key, value in given.items():
            if key in names:
                name, hint = names[key]
                data[name] = self.value(value, hint, join(at, key))
            elif key in off:
                self._switch(data, given, off[key], value, join(at, key))
            else:
                self.problems.append(_unknown(join(at, key), key, [*names, *off]))
        return data

    def value(self, given: Any, annotation: Any, at: str) -> Any:
        if isinstance(given, Unknown):
            given = pulumi.Output.from_input(given)
        if is_output(given):
            return self._arriving(given, annotation, at)
        if isinstance(given, list) and (item := _list_in(annotation)) is not None:
            return [self.value(inner, item, join(at, index)) for index, inner in enumerate(given)]
        if not isinstance(given, Mapping):
            return given
        if (item := types.item_of(annotation, dict)) is not None:
            return {key: self.value(inner, item, join(at, key)) for key, inner in given.items()}
        return self._object(given, annotation, at)

    def _object(self, given: Mapping[str, Any], annotation: Any, at: str) -> Any:
        """Of several classes the one that knows most of the keys."""
        classes = [item for item in map(types.bare, types.alternatives(annotation)) if types.is_model(item)]
        if not classes:
            return given
        model = max(classes, key=lambda item: len(set(given) & {camel(name) for name in item.model_fields}))
        data = self.model(given, model, at)
        # Beside objects of other libraries pydantic would leave a mapping as it is.
        return model.load(data, at=at) if types.takes_objects(annotation) else data

    def _arriving(self, given: Any, annotation: Any, at: str) -> Any:
        if not types.late(annotation):
            self.problems.append(Problem(at, TOO_LATE, instead_of_late(annotation)))
        return given

    def _switch(self, data: dict[str, Any], given: Mapping[str, Any], name: str, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            self.problems.append(Problem(at, "It must be true or false.", "Give one of them.", shown(value)))
        elif value and given.get(camel(name)) is not None:
            self.problems.append(Problem(at, f"`{camel(name)}` is given as well.", "Leave one of both out."))
        elif value:
            data[name] = None


def _list_in(annotation: Any) -> Any:
    """The type of a list's entries, also where a list is one of several choices."""
    found = (types.item_of(item, list) for item in types.alternatives(annotation))
    return next((item for item in found if item is not None), None)


def _unknown(path: str, name: str, known: list[str]) -> Problem:
    near = difflib.get_close_matches(camel(name), known, n=1, cutoff=0.55)
    remedy = f"Did you mean `{near[0]}`?" if near else f"It may be one of: {', '.join(known)}."
    return Problem(path, "There is no such field.", remedy)
