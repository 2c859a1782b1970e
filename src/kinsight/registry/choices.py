"""One registry for all choices by name: looked up, checked, completed, built and refused with the same words."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from kinsight.errors import KinsightError
from kinsight.registry.class_paths import LIBRARY, class_at, is_class_path, reason
from kinsight.registry.option_types import fits, in_words, shown


@dataclass(frozen=True)
class Named:
    """What stands behind a name of the settings."""

    make: type
    """The class."""
    needs: str = ""
    """What a batch, or the user, must bring; one line for the docs."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Options that differ from the class's own defaults, or that are worth seeing."""


class Registry(dict[str, Named]):
    """Everything of one kind that a setting may name, and how it is made.

    A choice is a mapping of `name` and options. The name is one of the registry's, or a class path where the kind allows it.

    Args:
        kind: the word for the user: "loss".
        entries: what stands behind each name.
        base: what a class must inherit from.
        call: the names of what a module of this kind is called with; a class that cannot be called so is refused.
        hands: options that Kinsight itself knows and hands to the class.
        always: hand them to every class that takes them, not only to those that require them.
        parts: options that are choices themselves, each with its registry.
        default: the name where a choice has none; None: a choice must have one.
        example: a class path to show to the user; empty where there are none for this kind.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, Named],
        *,
        base: type = nn.Module,
        call: tuple[str, ...] = (),
        hands: tuple[str, ...] = (),
        always: bool = False,
        parts: Mapping[str, Registry] | None = None,
        default: str | None = None,
        example: str = "",
    ) -> None:
        super().__init__(entries)
        self.kind, self.base, self.call, self.hands, self.always = kind, base, call, hands, always
        self.parts, self.default, self.example = dict(parts or {}), default, example

    def build(self, choice: Any, given: Mapping[str, Any] | None = None) -> Any:
        """Make what `choice` names.

        An option whose value is itself a choice (a mapping with a name) is built first, so that a distance, a reducer or a
        regularizer can be given by class path.

        Args:
            given: the values of `hands`.

        Raises:
            KinsightError: an unknown name or class, an option that the class does not have, a value that it refuses.
        """
        given = given or {}
        name, options = self._read(choice)
        entry = self._find(name)
        allowed = options_of(entry.make, given)
        handed = self._handed(allowed, given)
        self._refuse_unknown(name, options, {option: allowed[option] for option in allowed if option not in handed})
        for option, value in options.items():
            self._check_type(name, option, value, entry, allowed[option])
        values = {**entry.defaults, **handed, **options}
        values = {option: self._part(option, value, given) for option, value in values.items()}
        for option, default in allowed.items():
            if default is inspect.Parameter.empty and option not in values:
                raise KinsightError(f"{self.kind} {name}: the option '{option}' has no default; add it beside the name")
        try:
            return entry.make(**values)
        except KinsightError:
            raise
        except Exception as problem:
            raise self._blame(name, options, problem) from problem

    def named(self, choice: Any) -> tuple[Any, dict[str, Any]]:
        """The class that a choice names, and its options with their plain defaults.

        Raises:
            KinsightError: an unknown name or class, or an option that it does not have.
        """
        options = self.complete(choice, importing=True)
        return self._find(options.pop("name")).make, options

    def complete(self, choice: Any, *, importing: bool = False) -> dict[str, Any]:
        """The choice with every option whose default is plain (number, word, truth value, list, null): two ways to write one thing are one.

        Args:
            importing: whether a class path is imported for it; else such a choice stays as it is written.

        Raises:
            KinsightError: an unknown name, or an option that it does not have; a class that may not or cannot be imported.
        """
        name, options = self._read(choice)
        if name not in self and is_class_path(name) and not importing:
            return {"name": name, **options}
        entry = self._find(name)
        allowed = {
            option: value
            for option, value in options_of(entry.make, ()).items()
            if option not in self._handed(options_of(entry.make, self.hands), dict.fromkeys(self.hands))
        }
        self._refuse_unknown(name, options, allowed)
        plain = {
            option: list(value) if isinstance(value, tuple) else value
            for option, value in allowed.items()
            if value is None or isinstance(value, bool | int | float | str | list | tuple)
        }
        return {"name": name, **plain, **entry.defaults, **options}

    def describe(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Every name with what it needs and its default options."""
        return [(name, entry.needs, dict(entry.defaults)) for name, entry in self.items()]

    def _handed(self, allowed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        required = inspect.Parameter.empty
        return {
            option: value
            for option, value in given.items()
            if option in allowed and (self.always or allowed[option] is required)
        }

    def _read(self, choice: Any) -> tuple[str, dict[str, Any]]:
        name = choice.get("name", self.default) if isinstance(choice, Mapping) else None
        if not isinstance(name, str):
            some = next(iter(self), self.example)
            raise KinsightError(
                f"{self.kind}: {shown(choice)} does not name a {self.kind}; write a mapping such as {{'name': '{some}'}}"
            )
        return name, {str(option): value for option, value in choice.items() if option != "name"}

    def _find(self, name: str) -> Named:
        if name in self:
            return self[name]
        if not (self.example and is_class_path(name)):
            choose = [f"choose {', '.join(self)}"] * bool(self) + [f"give a class path such as {self.example}"] * bool(
                self.example
            )
            raise KinsightError(f"{shown(name)} is not a known {self.kind}{_near(name, self)}; {', or '.join(choose)}")
        found = class_at(name, self.kind, self.base)
        if self.call:
            self._check_call(name, found)
        return Named(found, "as its own documentation says")

    def _check_call(self, name: str, found: type) -> None:
        forward: Any = getattr(found, "forward", None)
        if forward is None or forward is nn.Module.forward:
            raise KinsightError(f"the {self.kind} {name} has no forward; give a class that has one")
        try:
            inspect.signature(forward).bind(None, *self.call)
        except TypeError:
            raise KinsightError(
                f"a {self.kind} is called with {', '.join(self.call)}, and {name} cannot be called so; give one whose forward takes them"
            ) from None

    def _refuse_unknown(self, name: str, options: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
        for option in options:
            if option not in allowed:
                listed = ", ".join(sorted(allowed)) or "no options"
                raise KinsightError(
                    f"{self.kind} {name}: {shown(option)} is not one of its options{_near(option, allowed)}; it takes {listed}"
                )

    def _check_type(self, name: str, option: str, value: Any, entry: Named, default: Any) -> None:
        # YAML reads 1e-3 as a text; without this check it would surface as an odd failure deep in the loss.
        if option in self.parts:
            allowed, words = (
                value is None or isinstance(value, Mapping),
                f"a choice such as {{name: {self.parts[option].example}}}",
            )
        elif (annotation := _annotation(entry.make, option)) is not None:
            allowed, words = fits(value, annotation), in_words(annotation)
        else:
            default = entry.defaults.get(option, default)
            # A class without annotations that has 1 as its default usually takes 1.5 too.
            sort = float if isinstance(default, int) and not isinstance(default, bool) else type(default)
            allowed = sort not in (bool, float, str) or fits(value, sort)
            words = f"a number such as {default}" if sort is float else in_words(sort)
        if not allowed:
            raise KinsightError(f"{self.kind} {name}, option {option}: {shown(value)} is not allowed; write {words}")

    def _part(self, option: str, value: Any, given: Mapping[str, Any]) -> Any:
        if not isinstance(value, Mapping):
            return value
        if option in self.parts:
            return self.parts[option].build(value, given)
        return Registry(option, {}, example="mine.Part").build(value, given) if "name" in value else value

    def _blame(self, name: str, options: Mapping[str, Any], problem: Exception) -> KinsightError:
        """Only what a class says of its arguments is blamed on them; anything else is an error inside it."""
        listed = ", ".join(f"{option}: {shown(value)}" for option, value in options.items())
        ours = name in self or name.startswith(LIBRARY)
        if options and (ours or isinstance(problem, TypeError | ValueError | AssertionError)):
            return KinsightError(f"{self.kind} {name} refuses its options {listed} ({reason(problem)}); correct them")
        with_options = f" with {listed}" if listed else ""
        return KinsightError(
            f"{self.kind} {name} cannot be made{with_options}, its constructor fails ({reason(problem)}); correct the class"
        )


def options_of(make: type, given: Container[str]) -> dict[str, Any]:
    """Every option that a class's constructor takes, and its default (`Parameter.empty` where there is none).

    A constructor that passes `**kwargs` on also takes what the next class up the line takes; but what that class
    requires it settles itself, save what is in `given`.
    """
    options: dict[str, Any] = {}
    for ancestor in inspect.getmro(make):
        if "__init__" not in vars(ancestor) or ancestor in (nn.Module, object):
            continue
        parameters = list(inspect.signature(vars(ancestor)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            settled = ancestor is not make and parameter.default is parameter.empty and parameter.name not in given
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and not settled:
                options.setdefault(parameter.name, parameter.default)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return options


def _annotation(make: type, option: str) -> Any:
    """What the class itself says of the option's type; None where it says nothing that can be read."""
    for ancestor in inspect.getmro(make):
        if "__init__" in vars(ancestor) and option in inspect.signature(vars(ancestor)["__init__"]).parameters:
            try:
                return typing.get_type_hints(vars(ancestor)["__init__"]).get(option)
            except (NameError, TypeError, AttributeError):  # names that only a type checker sees
                return None
    return None


def _near(word: str, words: Iterable[str]) -> str:
    matches = difflib.get_close_matches(word, list(words), n=2)
    return f" (did you mean {' or '.join(matches)}?)" if matches else ""
