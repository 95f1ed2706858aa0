"""``erfgraph compare``: path counting against gradient ERF, agreement and cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.cli.map import SCALES
from erfgraph.errors import InputError
from erfgraph.files import check_target, write_whole

if TYPE_CHECKING:
    from erfgraph.agreement.result import Estimate

WITHOUT_OWN = "kaiming_fan_in"  # the initialisation of a network that names none
PASSED = ("relu", "max_pool")


@dataclass(frozen=True)
class Question:
    """What both sides are asked.

    Attributes
    ----------
    net : Network
    module : torch.nn.Module, callable or None
        Where the network is a PyTorch module, that one, or the function that makes it.
    layer, unit : optional
        As given.
    init, batchnorm, scalar : str
    """

    net: eg.Network
    module: Any
    layer: str | None
    unit: tuple[int, ...] | None
    init: str
    batchnorm: str
    scalar: str


def compare_command(
    net: o.Net,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    measure: Annotated[
        str, typer.Option(help="What is compared: paths, edges, uniform, variance.")
    ] = "variance",
    against: Annotated[
        str,
        typer.Option(
            help="With what: a statistic of the gradient (mean_square, mean_abs, mean, median, "
            "mean_relu), which needs PyTorch, or another measure."
        ),
    ] = "mean_square",
    samples: Annotated[
        int | None, typer.Option(help="Random draws of the gradient.", show_default="32")
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            help="Draw until the gradient's sampling noise (total variation) is this small.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Images for the gradient; without --samples the weights stay as they are.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Initialisation of both sides: lecun, kaiming_fan_in, kaiming_fan_out, xavier, "
            f"pytorch, std=0.02; default the network's own, else {WITHOUT_OWN}.",
            show_default=False,
        ),
    ] = None,
    batchnorm: Annotated[
        str, typer.Option(help="Batch norms of both sides: identity (at initialisation) or batch.")
    ] = "identity",
    scalar: Annotated[
        str,
        typer.Option(
            help="What both sides differentiate: the sum of the unit's channels, or one channel."
        ),
    ] = "sum",
    seed: Annotated[int, typer.Option(help="Of the gradient's draws and of the bootstrap.")] = 0,
    passthrough: Annotated[
        list[str] | None,
        typer.Option(
            help="Layers that the gradient takes as linear: relu, max_pool; may be repeated.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(help="Draws behind the confidence intervals; 0 for none.")
    ] = 1000,
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
    save: Annotated[
        str | None, typer.Option(help="Data to write: .npz (both maps, curve) or .json (numbers).")
    ] = None,
    scale: Annotated[str, typer.Option(help="Colours of the figure: linear, log, power.")] = (
        "linear"
    ),
) -> None:
    """Path counting against gradient ERF: how far they agree, and what each costs.

    The network is loaded, then each side is timed; building the PyTorch module and imports do
    not count. A total variation near the noise means that more samples would be needed to tell
    the two apart.
    """
    from erfgraph.gradient.statistics import STATISTICS

    _check_names(measure, against, scale, scalar, passthrough or ())
    figure_path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, figure_path)
    data_path = check_target(save, (".npz", ".json")) if save is not None else None
    options: dict[str, Any] = {"samples": samples, "until": until, "images": images}
    options["passthrough"] = tuple(passthrough or ())
    with o.only_results():
        asked = _question(net, shape, channels, head, layer, unit, init, batchnorm, scalar)
        ready = None
        if against in STATISTICS:
            ready = _prepared(asked, against, {**options, "seed": seed})
        elif given := [key for key, value in options.items() if value not in (None, ())]:
            raise InputError(
                f"--{given[0]}: goes with a statistic of the gradient, not {against!r}"
            )
        a, cost_a = _counted(asked, measure)
        b, cost_b = ready() if ready else _counted(asked, against)
    b = _same_unit(a, b)
    with o.progress("bootstrap") as advance:
        found = eg.compare(
            a, b, bootstrap=bootstrap, seed=seed, costs=(cost_a, cost_b), progress=advance
        )
    document = _document(found, asked)
    if figure_path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.agreement_figure(found, scale=scale), figure_path)
    if data_path and data_path.suffix.lower() == ".npz":
        save_arrays(data_path, found, document)
    elif data_path:
        text.write_json(data_path, document)
    if as_json:
        text.print_json(document)
    else:
        _print(found, asked)
        text.print_written(figure_path, data_path)


def _check_names(measure: str, against: str, scale: str, scalar: str, passthrough: Any) -> None:
    from erfgraph.gradient.statistics import STATISTICS
    from erfgraph.sweeps import MEASURES
    from erfgraph.weighting import SCALARS

    for kind, name, known in (
        ("measure", measure, MEASURES),
        ("--against", against, (*STATISTICS, *MEASURES)),
        ("scale", scale, SCALES),
        ("scalar", scalar, SCALARS),
        *(("--passthrough", name, PASSED) for name in passthrough),
    ):
        o.check_name(kind, name, known)


# --- the two sides ------------------------------------------------------------------------


def _question(
    source: str,
    shape: str | None,
    channels: int | None,
    head: bool,
    layer: str | None,
    unit: str | None,
    init: str | None,
    batchnorm: str,
    scalar: str,
) -> Question:
    """The network and, if it is one, the PyTorch module behind it; its code runs once."""
    from erfgraph import loading

    found = loading.named(source)
    module = None
    if found is None:
        net = o.network(source, shape, channels, head)
    else:
        model = loading.made(found, source)
        net = eg.load(model, o.shape_of(shape), channels, head=head)
        module = found if loading.is_torch(model) else None
    rule = init or net.init or WITHOUT_OWN
    return Question(net, module, layer, o.position_of(unit), rule, batchnorm, scalar)


def _counted(asked: Question, measure: str) -> tuple[eg.ImportanceMap, eg.Cost]:
    """A measure of the graph, with its cost."""
    from erfgraph.agreement.cost import allocated

    options: dict[str, Any] = {}
    if measure == "variance":
        options = {"init": asked.init, "batchnorm": asked.batchnorm, "scalar": asked.scalar}
    # what is imported on use is not timed
    eg.importance(eg.load("conv3"), measure=measure, **options)
    with o.progress(f"counting {measure} of {asked.net.name}") as advance:
        return allocated(
            lambda: eg.importance(
                asked.net, asked.layer, asked.unit, measure, progress=advance, **options
            )
        )


def _prepared(
    asked: Question, statistic: str, options: dict[str, Any]
) -> Callable[[], tuple[eg.ImportanceMap, eg.Cost]]:
    """The gradient's run, ready to be timed."""
    from erfgraph.agreement.cost import resident
    from erfgraph.gradient.running import gradient_importance

    module, layer = asked.module, asked.layer
    if module is None:
        module, layer = eg.to_torch(asked.net, stop=layer), None
    drawn = options["samples"] is not None or options["images"] is None
    shape = (asked.net.input.channels, *asked.net.input.shape)

    def run() -> tuple[eg.ImportanceMap, eg.Cost]:
        with o.progress(f"gradients of {asked.net.name}") as advance:
            return resident(
                lambda: gradient_importance(
                    module,
                    shape,
                    layer,
                    asked.unit,
                    statistic=statistic,
                    init=asked.init if drawn else None,
                    batchnorm=asked.batchnorm,
                    scalar=asked.scalar,
                    progress=advance,
                    **options,
                )
            )

    return run


def _same_unit(a: eg.ImportanceMap, b: eg.ImportanceMap) -> eg.ImportanceMap:
    """The second map under the first one's names: a module's own output has another.

    Raises
    ------
    InputError
        If the units differ.
    """
    if a.unit != b.unit:
        raise InputError(
            f"--layer: the centre of {a.layer} is {a.unit}, that of the module's output {b.unit}; "
            "name the layer or the unit"
        )
    return replace(b, layer=a.layer, network=a.network)


# --- what is shown ------------------------------------------------------------------------


def _document(found: eg.Comparison, asked: Question) -> dict[str, Any]:
    """The JSON document: what was compared, then all numbers."""
    a = found.a
    return {
        "network": asked.net.name,
        "input_shape": list(a.input_shape),
        "layer": a.layer,
        "unit": list(a.unit),
        "init": asked.init,
        "batchnorm": asked.batchnorm,
        **found.to_dict(),
    }


def save_arrays(path: Any, found: eg.Comparison, document: dict[str, Any]) -> None:
    """Write both maps' shares and the curve as ``.npz``: plain arrays and a JSON text."""
    import numpy as np

    curve = found.curve
    with text.all_digits():
        about = json.dumps(document, allow_nan=False)
    arrays: dict[str, Any] = {
        "about": np.array(about),
        "a": found.a.share,
        "b": found.b.share,
        "thresholds": curve.thresholds,
        "iou": curve.iou,
    }
    if curve.low is not None and curve.high is not None:
        arrays |= {"iou_low": curve.low, "iou_high": curve.high}
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))


def _print(found: eg.Comparison, asked: Question) -> None:
    """What each side is and took, then the numbers with their intervals."""
    a = found.a
    out = text.console()
    norms = f", batch norm {asked.batchnorm}" if asked.batchnorm != "identity" else ""
    drawn = f"; init {asked.init}{norms}"
    out.print(f"{asked.net.name}, unit {text.position(a.unit)} of {a.layer}{drawn}")
    sides = zip("ab", (found.a, found.b), found.costs, strict=True)
    text.print_table(
        ("", "seconds", "memory", "ERF side", "std", "noise"),
        [_side(letter, imp, cost, found) for letter, imp, cost in sides],
    )
    out.print()
    interval = (f"{found.confidence:.0%} interval",) if found.draws else ()
    header = ("a against b", "value", *interval)
    text.print_table(header, [row[: len(header)] for row in _rows(found)])
    if found.noise_ratio is not None:
        out.print(
            f"total variation is {found.noise_ratio:.2f} times the sampling noise; "
            f"without it {found.beyond_noise:.4f}"
        )


def _side(
    letter: str, imp: eg.ImportanceMap, cost: eg.Cost | None, found: eg.Comparison
) -> list[str]:
    samples = getattr(imp, "samples", 0)
    what = f"{letter}: {imp.measure}" + (f", {samples} samples" if samples else "")
    if skipped := getattr(imp, "skipped", 0):
        what += f" ({skipped} skipped)"
    return [
        what,
        f"{cost.seconds:.3g}" if cost else "",
        f"{_size(cost.bytes)} {cost.memory}" if cost else "",
        f"{getattr(found, f'side_{letter}'):.2f}",
        " x ".join(f"{s:.2f}" for s in imp.std),
        f"{noise:.4f}" if (noise := getattr(found.noise, letter, 0)) else "none",
    ]


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes >= 1 << 20 else f"{n_bytes / 2**10:.1f} KiB"


def _rows(found: eg.Comparison) -> list[list[str]]:
    """A line each of the numbers; infinite ones say what lies outside."""
    from erfgraph.agreement.numbers import NUMBERS
    from erfgraph.agreement.result import Estimate

    rows = []
    for name, row in NUMBERS.items():
        values = getattr(found, name)
        if name == "curve":
            continue
        if isinstance(values, Estimate):
            rows.append([row.title, *_cells(values)])
        else:
            axes = "zyx"[-len(values) :]
            rows += [
                [f"{row.title}, {axis}", *_cells(value)]
                for axis, value in zip(axes, values, strict=True)
            ]
    for letter, other, mass in (("a", "b", found.outside_a), ("b", "a", found.outside_b)):
        if mass:
            rows.append([f"mass of {letter} where {other} has none", f"{mass:.3g}", ""])
    return rows


def _cells(x: Estimate) -> tuple[str, str]:
    interval = "" if x.low is None else f"{x.low:.4f} to {x.high:.4f}"
    return f"{x.value:.4f}", interval
