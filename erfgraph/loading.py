"""`load`: a network from whatever names it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from erfgraph import notation
from erfgraph.errors import ErfgraphError, FileError, InputError, excerpt, unknown_name
from erfgraph.memory import collector_paused
from erfgraph.network import Network, PerAxis
from erfgraph.shortest import shortest_input

CHANNELS = 3  # of an input that the source says nothing about
# what people have models in, and what to do instead: to read them would run what they hold, or
# they hold weights without a network
MODEL_FILES = (".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras", ".pb", ".tflite")
_NAME = re.compile(r"\w+")
_ATTRIBUTE = re.compile(r"(?P<module>[\w.]+|.+\.py):(?P<attribute>[A-Za-z_]\w*)")


def load(
    source: Any,
    input_shape: PerAxis | None = None,
    channels: int | None = None,
    *,
    head: bool = False,
) -> Network:
    """A network from its name, notation, file or model.

    Parameters
    ----------
    source : str, path-like, Network, torch.nn.Module or Keras model
        A name of the zoo (``"resnet50"``), the one-line notation (``"conv7*3"``), a network
        file (.toml, .json, .yaml), an ONNX file, or ``module:attribute`` /
        ``file.py:attribute`` that names a PyTorch module, a Keras model, a `Network` or a
        function that returns one. The last imports and runs that module: it is your own code.
    input_shape : int or sequence of int, optional
        Spatial shape; default the source's own. For a notation, the shortest on which the
        centre unit of the last map sees its whole field; a PyTorch module has none of its own.
    channels : int, optional
        Channels of the input; default the source's own, else 3.
    head : bool, optional
        For a name of the zoo: whether to add pooling and classifier.

    Returns
    -------
    Network

    Raises
    ------
    NameLookupError, FileError, LayerError, InputError
        If the source cannot be found or read, or does not fit the input.

    Examples
    --------
    >>> load("vgg16", input_shape=(512, 512)).output.shape
    (16, 16)
    >>> load("conv3s2p1 res(conv3p1)*8").input.shape
    (36,)
    """
    if head and not (isinstance(source, str) and _in_zoo(source)):
        raise InputError(f"head: got {head!r} for {source!r}; only networks of the zoo have one")
    if _is_model(source):
        return _as_given(source, input_shape, channels, type(source).__name__)
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"source: got {excerpt(repr(source))}, wanted a name, a notation, a file or a model"
        )
    text = os.fsdecode(source)
    if _in_zoo(text):
        from erfgraph import zoo

        return zoo.build(text, input_shape, channels, head)
    if suffix := Path(text).suffix.lower():
        from_file = _from_file(text, suffix, input_shape, channels)
        if from_file is not None:
            return from_file
    if match := _ATTRIBUTE.fullmatch(text):
        found = made(_look_up(match["module"], match["attribute"]), text)
        return _as_given(found, input_shape, channels, text)
    try:
        net = notation.parse(text)
    except ErfgraphError:
        if re.fullmatch(r"[\w.-]+", text) and not text.startswith(tuple(notation.WORDS)):
            from erfgraph import zoo

            raise unknown_name(
                "network", text, zoo.ZOO, where=" (no zoo name, notation or file)"
            ) from None
        raise
    with collector_paused():
        shape = shortest_input(net) if input_shape is None else input_shape
        return notation.build(
            net, shape, CHANNELS if channels is None else channels, " ".join(text.split())
        )


def _from_file(text: str, suffix: str, shape: Any, channels: int | None) -> Network | None:
    """The network that a file holds; None if it is no file by its suffix."""
    from erfgraph import netfile

    if suffix == ".onnx":
        if not Path(text).is_file():
            raise FileError(f"{text}: cannot be read: No such file or directory")
        from erfgraph.importers.onnx_import import from_onnx

        return from_onnx(text, shape, channels=channels)
    if suffix in MODEL_FILES:
        raise FileError(
            f"{text}: {suffix} files are not read, as that could run what they hold; wanted "
            f".onnx or {' or '.join(netfile.SUFFIXES)}, or file.py:attribute that makes the model"
        )
    return netfile.load_file(text, shape, channels) if suffix in netfile.SUFFIXES else None


def _in_zoo(text: str) -> bool:
    """Whether a text names a network of the zoo, which is not imported for any other text."""
    imported = sys.modules.get("erfgraph.zoo")
    if imported is not None and text in imported.ZOO.added:  # by the user, under any name
        return True
    if not _NAME.fullmatch(text) or notation.reads(text):  # none of ours reads as a notation
        return False
    from erfgraph import zoo

    return text in zoo.ZOO


def named(text: str) -> Any:
    """What ``module:attribute`` or ``file.py:attribute`` names, as it stands: not called.

    Returns
    -------
    Any
        None for a text of another form.

    Raises
    ------
    FileError, NameLookupError, InputError
        If there is no such file or attribute, or the module's own code fails.

    Examples
    --------
    >>> named("math:pi"), named("resnet18")
    (3.141592653589793, None)
    """
    match = _ATTRIBUTE.fullmatch(text)
    return _look_up(match["module"], match["attribute"]) if match else None


def made(found: Any, what: str) -> Any:
    """A model, or what a function that makes one returns."""
    with _failures(what):
        return found if _is_model(found) or not callable(found) else found()


def is_torch(found: Any) -> bool:
    """Whether this is a PyTorch module; PyTorch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(found, torch.nn.Module)


def _look_up(module: str, attribute: str) -> Any:
    """What ``module:attribute`` names."""
    with _failures(f"{module}:{attribute}"):
        if module.endswith(".py"):
            path = Path(module)
            if not path.is_file():
                raise FileError(f"{module}: no such file")
            # the whole path, which keeps two files of one name apart
            name = f"erfgraph file {path.resolve()}"
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                raise FileError(f"{module}: no Python source")
            loaded = importlib.util.module_from_spec(spec)
            sys.modules[name] = loaded  # where dataclasses look for their module
            spec.loader.exec_module(loaded)
        else:
            if "" not in sys.path:  # a console script does not look into the current folder
                sys.path.insert(0, "")
            loaded = importlib.import_module(module)
        if not hasattr(loaded, attribute):
            names = [name for name in vars(loaded) if not name.startswith("_")]
            raise unknown_name("attribute", attribute, names, where=f" of {module}")
        return getattr(loaded, attribute)


@contextlib.contextmanager
def _failures(what: str) -> Iterator[None]:
    """Errors of the user's code as ours, which say of what."""
    try:
        yield
    except ErfgraphError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        text = " ".join(str(error).split())
        raise InputError(f"{what}: {type(error).__name__}: {text}") from error


def _is_model(found: Any) -> bool:
    return isinstance(found, Network) or _is_keras(found) or is_torch(found)


def _is_keras(found: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(found, keras.Model)


def _as_given(found: Any, shape: Any, channels: int | None, what: str) -> Network:
    if _is_keras(found):
        from erfgraph.importers.keras_import import from_keras

        return from_keras(found, shape)
    if is_torch(found):
        return _from_module(found, shape, channels, what)
    if not isinstance(found, Network):
        raise InputError(
            f"{what}: got {type(found).__name__}, wanted a PyTorch module, a Keras model, a "
            "Network, or a function that returns one"
        )
    if shape is None and channels is None:
        return found
    from erfgraph import netfile

    return netfile.build(found.to_dict(), shape, channels)


def _from_module(module: Any, shape: Any, channels: int | None, what: str) -> Network:
    from erfgraph.importers.torch_import import from_torch

    if shape is None:
        raise InputError(
            f"{what}: a PyTorch module has no input shape of its own; give one, as (224, 224)"
        )
    if channels is None:
        own = (getattr(m, "in_channels", None) for m in module.modules())
        channels = next((n for n in own if isinstance(n, int)), CHANNELS)
    spatial = shape if isinstance(shape, list | tuple) else (shape,)
    return from_torch(module, (channels, *spatial))
