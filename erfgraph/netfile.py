"""Network files: the vocabulary of `Network` as TOML, JSON or YAML, checked by msgspec.

The schema is made from the signatures of the layer methods, so a file can say exactly what a
call can say. Nothing in a file is executed.
"""

from __future__ import annotations

import inspect
import re
import typing
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from erfgraph.description import INPUTS, MOST_MAPS
from erfgraph.errors import ErfgraphError, FileError, InputError, LayerError, unknown_name
from erfgraph.featuremap import FeatureMap, input_shape
from erfgraph.files import check_target, read_text, write_whole
from erfgraph.memory import collector_paused
from erfgraph.network import LAYER_METHODS, Network

DEEPEST = 64  # levels of nesting of a YAML file
SUFFIXES = (".toml", ".json", ".yaml", ".yml")


# --- schema -------------------------------------------------------------------------------


@cache
def schema() -> Any:
    """The type of a network file: a msgspec struct with a tagged union of layers."""
    rows = []
    for op in LAYER_METHODS:
        method = getattr(Network, op)
        hints = typing.get_type_hints(method)
        fields: list[Any] = [("name", str | None, None), ("inputs", str | list[str] | None, None)]
        for key, parameter in inspect.signature(method).parameters.items():
            if key in ("self", "name", *INPUTS):
                continue
            required = parameter.default is inspect.Parameter.empty
            fields.append((key, hints[key]) if required else (key, hints[key], parameter.default))
        rows.append(
            msgspec.defstruct(
                op, fields, tag_field="op", tag=op, forbid_unknown_fields=True, kw_only=True
            )
        )
    return msgspec.defstruct(
        "network",
        [
            ("input", int | list[int]),
            ("layers", list[typing.Union[tuple(rows)]]),  # type: ignore[misc]  # noqa: UP007
            ("channels", int, 1),
            ("name", str | None, None),
            ("gates", str, "transparent"),
        ],
        forbid_unknown_fields=True,
        kw_only=True,
    )


# --- reading ------------------------------------------------------------------------------


def load_file(path: Any, shape: Any = None, channels: int | None = None) -> Network:
    """Read a network file.

    Parameters
    ----------
    path : path-like
        Its suffix tells the format: .toml, .json, .yaml or .yml.
    shape, channels : optional
        In place of the file's own.

    Returns
    -------
    Network

    Raises
    ------
    FileError
        If the file cannot be read or is not of its format.
    InputError
        If a field does not fit; the message starts with its path, as ``layers[3].kernel``.
    """
    source = Path(path)
    with collector_paused():
        document = _decode(source)
        try:
            network = build(document, shape, channels)
        except ErfgraphError as error:
            raise type(error)(f"{source}: {error}") from None
    if network.name is None:
        network.name = source.stem
    return network


def _decode(source: Path) -> Any:
    suffix = source.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{source}: got suffix {source.suffix!r}, wanted {' or '.join(SUFFIXES)}")
    text = read_text(source)
    try:
        if suffix == ".json":
            return msgspec.json.decode(text)
        if suffix == ".toml":
            return msgspec.toml.decode(text)
        _check_yaml(text)
        return msgspec.yaml.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise FileError(f"{source}: not {suffix[1:].upper()}: {problem}") from None
    except RecursionError:
        raise FileError(f"{source}: nested too deeply") from None


def _check_yaml(text: str) -> None:
    """Refuse what no network file needs and what a loader does badly.

    An alias repeats what an anchor holds, so a short file could stand for a huge one; tags
    ask for other types; nesting overflows the stack of the loader in C.
    """
    import yaml

    depth = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            line = event.start_mark.line + 1 if event.start_mark else 0
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"line {line}: aliases (*{event.anchor}) are not taken")
            if tag := getattr(event, "tag", None):
                raise ValueError(f"line {line}: tags ({tag}) are not taken")
            if depth > DEEPEST:
                raise ValueError(f"line {line}: nested deeper than {DEEPEST} levels")
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def build(document: Any, shape: Any = None, channels: int | None = None) -> Network:
    """The network of a decoded document, as `Network.to_dict` gives it.

    Raises
    ------
    InputError
        If a field does not fit; the message starts with its path.
    """
    try:
        checked = msgspec.convert(document, schema())
    except msgspec.ValidationError as error:
        raise _located(error, document) from None
    except RecursionError:
        raise InputError("the document is nested too deeply") from None
    if not checked.layers:
        raise InputError("layers: is empty, wanted at least one layer")
    if len(checked.layers) > MOST_MAPS:
        raise InputError(f"layers: {len(checked.layers)} of them, wanted at most {MOST_MAPS}")
    if shape is None:
        try:
            shape = input_shape(checked.input)
        except InputError as error:
            raise InputError(f"input: {error}") from None
    channels = checked.channels if channels is None else channels
    network = Network(shape, channels, checked.name, checked.gates)
    x = network.input
    later = {layer.name: i for i, layer in enumerate(checked.layers) if layer.name}
    for i, layer in enumerate(checked.layers):
        x = _add(network, x, layer, f"layers[{i}]", later)
    return network


def _add(network: Network, before: FeatureMap, layer: Any, where: str, later: Any) -> FeatureMap:
    op = type(layer).__struct_config__.tag
    inputs = [layer.inputs] if isinstance(layer.inputs, str) else layer.inputs
    for j, name in enumerate(inputs or ()):
        if name not in network:
            at = where + (f".inputs[{j}]" if isinstance(layer.inputs, list) else ".inputs")
            if name in later:
                raise InputError(
                    f"{at}: {name!r} is made only by layers[{later[name]}]; a layer reads what "
                    "stands before it, so that there are no cycles"
                )
            raise InputError(f"{at}: {unknown_name('layer', name, network.names)}")
    wanted = _n_inputs(op)
    given = inputs if inputs is not None else [before.key]
    if wanted and len(given) != wanted:
        raise InputError(f"{where}.inputs: got {len(given)}, {op} wants {wanted}")
    params = {
        key: getattr(layer, key)
        for key in layer.__struct_fields__
        if key not in ("inputs", "name")
    }
    try:
        added: FeatureMap = getattr(network, op)(*given, **params, name=layer.name)
    except LayerError as error:
        caller = f"{op} {layer.name!r}" if layer.name else op
        problem = str(error).removeprefix(f"{caller}: ")
        field, _, rest = problem.partition(": ")
        if field in INPUTS:
            where, problem = f"{where}.inputs", rest
        elif field in (*params, "name"):
            where, problem = f"{where}.{field}", rest
        raise LayerError(f"{where}: {problem}") from None
    return added


@cache
def _n_inputs(op: str) -> int:
    """How many maps a layer reads; 0 where any number will do."""
    parameters = inspect.signature(getattr(Network, op)).parameters
    return sum(key in parameters for key in ("x", "factor"))


def _located(error: msgspec.ValidationError, document: Any) -> InputError:
    """A validation error with the offending field's path in front."""
    message = str(error)
    text, _, place = message.partition(" - at `")
    if place.startswith("key` in `"):  # a key that is no text
        place, text = place.removeprefix("key` in `"), f"a key: {text[:1].lower()}{text[1:]}"
    path = place.rstrip("`").removeprefix("$").removeprefix(".")
    got = document
    for part in re.findall(r"\w+", path):
        got = got[int(part) if isinstance(got, list) else part]
    if path.endswith(".op") and text.startswith("Invalid value"):
        return InputError(f"{path}: {unknown_name('layer', str(got), LAYER_METHODS)}")
    match = re.match(r"Object (missing required|contains unknown) field `(.*)`$", text, re.DOTALL)
    if match:
        field = f"{path}.{match[2]}" if path else match[2]
        layer = isinstance(got, dict) and got.get("op") in LAYER_METHODS
        owner = got["op"] if path and layer else "a layer" if path else "a network file"
        if match[1] == "missing required":
            return InputError(f"{field}: missing; {owner} needs it")
        known = _fields(got["op"]) if path and layer else schema().__struct_fields__
        return InputError(f"{field}: {unknown_name(f'field of {owner}', match[2], known)}")
    return InputError(f"{path or 'file'}: {text[:1].lower()}{text[1:]}")


def _fields(op: str) -> list[str]:
    """Names of the fields that a layer takes."""
    parameters = inspect.signature(getattr(Network, op)).parameters
    return ["op", "inputs", *(key for key in parameters if key not in ("self", *INPUTS))]


# --- writing ------------------------------------------------------------------------------


def save_file(network: Network, path: Any) -> None:
    """Write a network file that `load` reads back to an equal network.

    Parameters
    ----------
    network : Network
    path : path-like
        Its suffix tells the format.

    Raises
    ------
    FileError
        If the suffix is unknown or the file cannot be written.
    """
    target = check_target(path, SUFFIXES)
    document = network.to_dict()
    suffix = target.suffix.lower()
    try:
        if suffix == ".json":
            data = msgspec.json.format(msgspec.json.encode(document), indent=2)
        elif suffix == ".toml":
            data = msgspec.toml.encode(document)
        else:
            data = msgspec.yaml.encode(document)
    except (TypeError, ValueError) as error:  # TOML, for one, has no null for a slice's open end
        raise FileError(f"{target}: cannot be written as {suffix[1:].upper()}: {error}") from None
    write_whole(target, lambda file: file.write(data))
