"""One walk through what was recorded of a Keras model: every call translated and named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from erfgraph.errors import InputError
from erfgraph.importers.keras_formats import constant
from erfgraph.importers.keras_record import Recorded, Recorder, Slot
from erfgraph.importers.layout import permute
from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.rows import tensors
from erfgraph.importers.translate import Translator, is_transparent
from erfgraph.importers.values import Constant, Pieces, Traced


class Walk:
    """Translates the calls of a recorded model in order.

    Parameters
    ----------
    recorder : Recorder
    translator : Translator
    results : sequence
        What the model returns.
    layer : str, optional
        Path of the layer with which to end.
    last : bool, optional
        Whether the model has its channels last.
    """

    def __init__(
        self,
        recorder: Recorder,
        translator: Translator,
        results: Sequence[Any],
        layer: str | None = None,
        last: bool = True,
    ) -> None:
        self.steps = recorder.steps
        self.paths = recorder.paths
        self.kinds = recorder.kinds
        self.translator = translator
        self.results = results
        self.last = last
        self.maker = {v.index: i for i, step in enumerate(self.steps) for v in step.results}
        self.names = self._named()
        self.values: dict[int, Any] = {}
        if layer is not None:
            self.results = self._returned_by(layer)

    def _named(self) -> Names:
        steps = []
        for step in self.steps:
            sources = tuple(self.maker[x.index] for x in step.sources if x.index in self.maker)
            row = self.translator.table.get(step.key)
            short = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", step.key.rpartition(".")[2]).lower()
            steps.append(Step(step.scope, short, sources, is_transparent(row)))
        outputs = [
            self.maker[v.index]
            for v in self.results
            if isinstance(v, Slot) and v.index in self.maker
        ]
        return names(steps, self.paths, outputs)

    def _returned_by(self, layer: str) -> list[Slot]:
        """What the layer of a path returns."""
        found = [
            v
            for key, where in self.names.returned.items()
            if self.paths[key] == layer
            for i in where
            for v in self.steps[i].results
        ]
        if not found:
            raise InputError(f"layer: nothing uses what {layer!r} returns")
        return found

    def run(self, slots: Sequence[Slot], image: int, x: Traced) -> None:
        """Translate all calls that the results need.

        Parameters
        ----------
        slots : sequence of Slot
            The model's inputs.
        image : int
            Which of them is traced; the others are constants.
        x : Traced
            What the image is in the network.
        """
        for i, slot in enumerate(slots):
            self.values[slot.index] = x if i == image else Constant(slot.shape)
        needed = self._needed()
        for i, step in enumerate(self.steps):
            if i in needed:
                self._keep(step, self._translate(i, step))
                self._alias(i, step)
        self.translator.finish([self._turned(self._value(v)) for v in self.results])

    def _turned(self, v: Any) -> Any:
        """A result as the shared code has it: channels before positions."""
        ndim = len(self.translator.t.net.input.shape) + 2
        plain = isinstance(v, Traced) and not isinstance(v, Pieces) and not v.late
        if not self.last or not plain or v.ndim != ndim:
            return v
        return replace(v, dims=permute(v.dims, [0, ndim - 1, *range(1, ndim - 1)]))

    def _needed(self) -> set[int]:
        """The calls from which the results are made."""
        needed = {v.index for v in self.results if isinstance(v, Slot)}
        found = set()
        for i in range(len(self.steps) - 1, -1, -1):
            step = self.steps[i]
            if any(v.index in needed for v in step.results):
                found.add(i)
                needed.update(v.index for v in step.sources)
        return found

    def _translate(self, i: int, step: Recorded) -> Any:
        around = [self.paths[key] for key in step.scope]
        where = repr(around[-1]) if around else repr(self.names.maker[i])
        if step.why:
            where += f" (which cannot be looked into: {step.why})"
        args = [step.operation, *(self._value(v) for v in step.args)]
        kwargs = {key: self._value(v) for key, v in step.kwargs.items()}
        stops = [*around, *(self.kinds[key] for key in step.scope)]
        shapes = [v.shape for v in step.results]
        return self.translator.run(
            step.key, self.names.maker[i], where, lambda: shapes, args, kwargs, stops
        )

    def _keep(self, step: Recorded, value: Any) -> None:
        parts = value if isinstance(value, list | tuple) else [value] * len(step.results)
        for slot, part in zip(step.results, parts, strict=True):
            self.values[slot.index] = part

    def _value(self, v: Any) -> Any:
        """An argument as rows take it: what a tensor stands for, and arrays as constants."""
        if isinstance(v, Slot):
            return self.values[v.index]
        if isinstance(v, list | tuple):
            return type(v)(self._value(x) for x in v)
        if isinstance(v, Mapping):
            return {key: self._value(x) for key, x in v.items()}
        found = constant(v)
        return v if found is None else found

    def _alias(self, i: int, step: Recorded) -> None:
        """Give the names of the layers that a call leaves to its result."""
        given = [
            v
            for v in tensors([self.values[slot.index] for slot in step.results])
            if isinstance(v, Traced)
        ]
        for key in reversed(step.scope):
            found = self.names.returned.get(key, ())
            if i not in found:
                continue
            path = self.paths[key]
            label = path if len(found) == 1 else f"{path}:{found.index(i)}"
            for k, v in enumerate(given):
                each = label if len(given) == 1 else f"{label}:{k}"
                self.translator.name(self._turned(v), each)
