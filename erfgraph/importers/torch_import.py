"""Networks from PyTorch modules, by ``torch.export``; nothing is computed.

Of the module's numbers, those are read at once that say how large the gains of its norms and its
factors are; all other weights only when a measure of trained weights asks for them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from erfgraph.errors import (
    ErfgraphError,
    InputError,
    UnknownOperationError,
    excerpt,
    unknown_name,
)
from erfgraph.extras import torch_module
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.importers.rows import Row
from erfgraph.importers.torch_fx import fallback
from erfgraph.importers.torch_graph import ExportedGraph
from erfgraph.importers.torch_names import operation
from erfgraph.importers.torch_ops import TABLE
from erfgraph.importers.torch_writes import writes_through_views
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import (
    Translator,
    declared,
)
from erfgraph.network import Network


def from_torch(
    module: Any,
    input_shape: Sequence[int],
    layer: str | None = None,
    *,
    stop_at: str | Sequence[str] = (),
    ops: Mapping[str, Row] | None = None,
    gates: str = "transparent",
    name: str | None = None,
) -> Network:
    """The network of a PyTorch module.

    Parameters
    ----------
    module : torch.nn.Module
        Taken as it is, in evaluation mode; its own mode and weights stay as they are.
    input_shape : sequence of int
        ``(channels, *spatial)`` of one input, with 1 to 3 spatial axes.
    layer : str, optional
        Path of the module with which the network ends; default the model's output.
    stop_at : str or sequence of str, optional
        Modules (``"head"``) or operations (``"aten.sort"``) at which to stop: they and all that
        reads them are left out.
    ops : mapping, optional
        Rows for operations that erfgraph does not know, such as
        ``{"mylib.blur": erfgraph.importers.layer(lambda net, x, *a: net.conv(x, 3))}``.
    gates : {"transparent", "follow"}, optional
        As for `Network`.
    name : str, optional
        Name of the network; default that of the module's class.

    Returns
    -------
    Network
        Its feature maps are named by the paths of the modules that return them.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    InputError
        If the module does not run on such an input, or depends on the input's values.
    UnknownOperationError
        If it has an operation that is not known and not declared.
    LayerError
        If an operation connects positions as no layer does.

    Notes
    -----
    ``torch.export`` runs the module's own forward on tensors that have shapes but no numbers.
    Where that fails, ``torch.fx`` traces the module, and its calls are run so one by one; this
    is said in a warning.

    Examples
    --------
    >>> import torch, erfgraph as eg
    >>> block = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> net = eg.from_torch(block, (3, 32, 32))
    >>> [m.name for m in net.maps]
    ['input', '0']
    """
    torch = torch_module()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module: got {type(module).__name__}, wanted a torch.nn.Module")
    channels, shape = _shape(input_shape)
    stops = frozenset((stop_at,) if isinstance(stop_at, str) else stop_at)
    modules = dict(module.named_modules(remove_duplicate=False))
    if layer is not None and layer not in modules:
        raise unknown_name("layer", layer, filter(None, modules))
    paths = _other_paths(modules)
    table = declared(TABLE, ops)
    label = name or type(module).__name__

    def start() -> Translator:
        tracer = Tracer(Network(shape, channels, label, gates))
        return Translator(tracer, table, stops, exact=True, other_names=paths)

    example = _example(torch, module, (1, channels, *shape))
    with _evaluation(module), _quiet():
        try:
            program = _exported(torch, module, example)
        except ErfgraphError as failure:
            done = fallback(torch, module, example, start, layer, failure)
        else:
            done = _translated(torch, program, start, layer)
    _check_stops(stops - done.met, modules)
    return done.finished(label)


def _check_stops(unmet: Iterable[str], modules: Mapping[str, Any]) -> None:
    """Refuse a module to stop at that there is not; an operation may well be missing."""
    first = {path.partition(".")[0] for path in modules}
    for stop in unmet:
        if stop not in modules and ("." not in stop or stop.partition(".")[0] in first):
            raise unknown_name("stop_at", stop, filter(None, modules))


def _shape(given: Any) -> tuple[int, tuple[int, ...]]:
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not 2 <= len(values) <= 4:
        raise InputError(
            f"input_shape: got {given!r}, wanted (channels, *spatial) with 1 to 3 spatial axes"
        )
    whole = checked_shape(values[:1]) + checked_shape(values[1:])
    return whole[0], whole[1:]


def _other_paths(modules: Mapping[str, Any]) -> dict[str, list[str]]:
    """For the path of a module that stands in several places: all its other paths."""
    places: dict[int, list[str]] = {}
    for path, module in modules.items():
        places.setdefault(id(module), []).append(path)
    return {p: [q for q in same if q != p] for same in places.values() for p in same}


@contextlib.contextmanager
def _evaluation(module: Any) -> Iterator[None]:
    """Evaluation mode, and every submodule's own mode again afterwards."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings, log messages nor prints of the capture on the screen.

    What the module's own forward prints goes to standard error, away from a command's output.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _example(torch: Any, module: Any, shape: Sequence[int]) -> Any:
    """An input without memory of its own, in the type and place of the module's weights."""
    weights = [p for p in module.parameters() if p.is_floating_point()]
    like = weights[0] if weights else torch.zeros(())
    return torch.zeros((), dtype=like.dtype, device=like.device).expand(*shape)


def _exported(torch: Any, module: Any, example: Any) -> Any:
    try:
        with torch.no_grad():
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:  # the module's own code may raise anything
        raise _failed(module, example.shape, error) from error


def _failed(module: Any, shape: Sequence[int], error: Exception) -> ErfgraphError:
    if isinstance(error, ErfgraphError):
        return error
    text = " ".join(str(error).split())
    kind = type(error).__name__
    what = f"{type(module).__name__} on an input of shape {tuple(shape)}"
    if "DataDependent" in kind or "data-dependent" in text:
        return InputError(
            f"{what}: its control flow depends on the values of its input, so that it is no one "
            f"network ({excerpt(text, most=160)})"
        )
    return InputError(f"{what}: {kind}: {excerpt(text, most=300)}")


def _translated(
    torch: Any, program: Any, start: Callable[[], Translator], layer: str | None
) -> Translator:
    """Translate a program; if it has an unknown operation, once more with all taken apart.

    If that fails too, the first error holds, as it names what the user wrote.
    """
    translator = start()
    if writes_through_views(program, translator.table):
        program = program.run_decompositions({})  # the same operations, none in place
    try:
        ExportedGraph(torch, program, translator, layer).run()
    except UnknownOperationError as unknown:
        if any(operation(node.target) in RECURRENT for node in program.graph.nodes):
            raise
        translator = start()
        try:
            parts = program.run_decompositions()
            ExportedGraph(torch, parts, translator, layer).run()
        except Exception:
            raise unknown from None
    return translator


# taken apart, these are thousands of steps that no layer represents
RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")
