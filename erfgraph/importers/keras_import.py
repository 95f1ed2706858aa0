"""Networks from Keras 3 models, by their graph of layers; nothing is computed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from erfgraph.errors import InputError, MissingExtraError, unknown_name
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.importers import moves
from erfgraph.importers.keras_formats import channels_last
from erfgraph.importers.keras_input import arrangement, concrete, image_among, inputs_of
from erfgraph.importers.keras_ops import TABLE
from erfgraph.importers.keras_record import Recorder, Slot
from erfgraph.importers.keras_walk import Walk
from erfgraph.importers.rows import Call, Result, Row, tensors
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import Translator, declared
from erfgraph.importers.values import Constant, Traced
from erfgraph.network import Network


def from_keras(
    model: Any,
    input_shape: Sequence[int] | int | None = None,
    layer: str | None = None,
    *,
    stop_at: str | Sequence[str] = (),
    ops: Mapping[str, Row] | None = None,
    gates: str = "transparent",
    name: str | None = None,
) -> Network:
    """The network of a Keras 3 model.

    Parameters
    ----------
    model : keras.Model, keras.Layer or keras.Function
        Functional, sequential or subclassed, on any backend; built. Taken as it is, at
        inference; of its weights, only the gains of norms and factors are read.
    input_shape : int or sequence of int, optional
        Spatial shape, for a model that leaves it open (``keras.Input((None, None, 3))``).
    layer : str, optional
        Name of the layer with which the network ends; default the model's first output.
    stop_at : str or sequence of str, optional
        Layers (``"predictions"``), classes of layers (``"LSTM"``) or operations
        (``"ops.Sort"``) at which to stop: they and all that reads them are left out.
    ops : mapping, optional
        Rows for layers and operations that erfgraph does not know, by name of the class, such
        as ``{"Blur": erfgraph.importers.layer(lambda net, x, *args: net.conv(x, 3))}``. They
        see tensors as (batch, channels, positions), wherever the model has its channels.
    gates : {"transparent", "follow"}, optional
        As for `Network`.
    name : str, optional
        Name of the network; default the model's.

    Returns
    -------
    Network
        Its feature maps are named as the layers are; those of a layer inside another model or
        layer have its name in front (``"backbone.conv1"``), and what a layer makes when it is
        called again is named ``"conv1_1"``.

    Raises
    ------
    MissingExtraError
        If Keras is not installed.
    InputError
        If it is no built Keras 3 model, if `input_shape` does not fit it, or if its input has
        no spatial axes.
    NameLookupError
        If it has no such layer.
    UnknownOperationError
        If it has a layer or operation that is not known, not declared, and whose ``call`` is
        not made of known ones.
    LayerError
        If an operation connects positions as no layer does.

    Notes
    -----
    A layer without a row of its own is looked into: its ``call`` is run on symbolic tensors,
    which have shapes but no numbers, and what it calls is recorded. Of several inputs, the one
    with most dimensions is the image, and the others are constants.

    Examples
    --------
    >>> import os
    >>> backend = os.environ.setdefault("KERAS_BACKEND", "torch")
    >>> import keras, erfgraph as eg
    >>> model = keras.Sequential([
    ...     keras.Input((32, 32, 3)),
    ...     keras.layers.Conv2D(8, 3, strides=2, padding="same", name="stem"),
    ...     keras.layers.ReLU(name="act"),
    ... ])
    >>> net = eg.from_keras(model)
    >>> net["act"].name, net["act"].shape
    ('stem', (16, 16))
    """
    keras = _keras(model)
    what = name or str(model.name)
    given = None if input_shape is None else checked_shape(input_shape)
    stops = frozenset((stop_at,) if isinstance(stop_at, str) else stop_at)
    rows = {key: _channels_before(row) for key, row in declared({}, ops).items()}
    table = {**TABLE, **rows}
    recorder = Recorder(keras, frozenset(table), frozenset(rows))
    last = _channels_last(keras, model)
    slots, image = _inputs(recorder, model, given, last, what)
    results = recorder.model(model, slots)
    if layer is not None and layer not in recorder.paths.values():
        raise unknown_name("layer", str(layer), recorder.paths.values(), where=f" of {what}")
    shape, channels, dims = arrangement(recorder.steps, slots[image], last, what)
    if given is not None and given != shape:
        raise InputError(f"input_shape: got {given}, but the input of {what} is fixed at {shape}")
    net = Network(shape, channels, what, gates)
    translator = Translator(Tracer(net), table, stops, exact=True)
    walk = Walk(recorder, translator, results, layer, last)
    walk.run(slots, image, Traced(net.input, dims))
    return translator.finished(what)


def _keras(model: Any) -> Any:
    """The module that a Keras 3 model is of; it is imported already where there is a model."""
    homes = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    keras = sys.modules.get("keras")
    if "keras" in homes and keras is not None and not hasattr(keras, "KerasTensor"):
        homes.add("tf_keras")
    if homes & {"tf_keras", "tensorflow"}:
        raise InputError(
            f"model: got a {type(model).__name__} of Keras 2 (tf.keras); wanted one of Keras 3, "
            "made by keras itself"
        )
    if keras is None and importlib.util.find_spec("keras") is None:
        raise MissingExtraError("Keras is not installed; pip install 'erfgraph[keras]'")
    if keras is None or not isinstance(model, keras.Layer | keras.Function):
        raise InputError(f"model: got {type(model).__name__}, wanted a Keras model")
    return keras


def _inputs(
    recorder: Recorder, model: Any, given: Sequence[int] | None, last: bool, what: str
) -> tuple[list[Slot], int]:
    """The model's inputs, and which of them is the image."""
    known = inputs_of(model, what)
    image = image_among([shape for shape, _ in known])
    if not getattr(model, "inputs", None) and given is not None:
        # the shape that a model was built with binds it only in its channels
        channel = len(known[image][0]) - 1 if last else 1
        known = [
            (tuple(n if d == channel else None for d, n in enumerate(shape)), dtype)
            for shape, dtype in known
        ]
    slots = []
    for i, (shape, dtype) in enumerate(known):
        same = len(shape) == len(known[image][0])  # a second image is as large as the first
        open_ = None in shape[1:] and (i == image or same)
        full = concrete(shape, given, last, what) if open_ else [n or 1 for n in (1, *shape[1:])]
        slots.append(recorder.slot(full, dtype))
    return slots, image


def _channels_last(keras: Any, model: Any) -> bool:
    """Whether a model has its channels last, as the first of its layers that says so does."""
    for x in _layers(model):
        if isinstance(getattr(x, "data_format", None), str):
            return channels_last(x)
    return bool(keras.config.image_data_format() == "channels_last")


def _layers(model: Any) -> list[Any]:
    """All layers of a model, in the order in which it has them."""
    found = [model]
    for x in getattr(model, "layers", ()) or ():
        found += _layers(x)
    return found


def _channels_before(row: Row) -> Row:
    """A caller's row, for tensors that have their channels last."""

    def turned(c: Call, operation: Any, *args: Any, **kwargs: Any) -> Result:
        ndim = max(
            (v.ndim for v in tensors([*args, *kwargs.values()]) if isinstance(v, Traced)),
            default=0,
        )
        if ndim < 3 or not channels_last(operation):
            return row(c, *args, **kwargs)
        before, after = [0, ndim - 1, *range(1, ndim - 1)], [0, *range(2, ndim), 1]

        def move(v: Any, order: Sequence[int]) -> Any:
            if isinstance(v, list | tuple):
                return type(v)(move(x, order) for x in v)
            if isinstance(v, Traced) and v.ndim == ndim:
                return moves.permute(c.t, v, order)
            if isinstance(v, Constant) and len(v.shape) == ndim:
                return Constant(tuple(v.shape[d] for d in order))
            return v

        shapes = tuple(tuple(s[d] for d in before) if len(s) == ndim else s for s in c.shapes)
        args = tuple(move(v, before) for v in args)
        kwargs = {key: move(v, before) for key, v in kwargs.items()}
        made: Result = move(row(Call(c.t, c.op, shapes), *args, **kwargs), after)
        return made

    return turned
