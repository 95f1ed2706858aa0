"""`GradientMap`: an importance map that was sampled, and how sure it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from erfgraph import mapfile
from erfgraph.errors import FileError, InputError
from erfgraph.files import check_target, write_whole
from erfgraph.importance_map import _ABOUT, ImportanceMap


@dataclass(frozen=True, eq=False)
class GradientMap(ImportanceMap):
    r"""The gradient of one unit with respect to the input, averaged over samples.

    Made by `gradient_importance`. An `ImportanceMap` over the whole input, with float64 values,
    and these beside:

    Attributes
    ----------
    statistic : str
        ``"mean_square"``, ``"mean_abs"``, ``"mean"``, ``"median"`` or ``"mean_relu"``.
    samples : int
        How many samples the values are an average of: draws of weights, or inputs where the
        weights stayed.
    skipped : int
        Gradients that were NaN or infinite, which no number here takes part of.
    relative_error : float
        Expected total-variation distance between `share` and what it tends to with more
        samples, by the spread of the samples; NaN for a single one.
    standard_error : float64 array
        Of every value, of the map's shape; NaN for a single sample.
    replicates : float64 array of shape (groups, \*spatial)
        Means of groups of samples (at most 64), for the bootstrap; of ``"mean"`` with their
        sign, of ``"median"`` the groups' medians.
    replicate_sizes : int64 array of shape (groups,)
        Samples of each group.
    settings : mapping
        What else the map depends on: ``init``, ``batchnorm``, ``seed``, …

    Examples
    --------
    >>> import torch, erfgraph as eg
    >>> chain = torch.nn.Sequential(torch.nn.Conv1d(1, 1, 3), torch.nn.Conv1d(1, 1, 3))
    >>> found = eg.gradient_importance(
    ...     chain, (1, 5), init="ones", statistic="mean", dtype="float64")
    >>> found.values.tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    >>> found.samples, found.replicates.shape
    (1, (1, 5))
    """

    statistic: str = "mean_square"
    samples: int = 0
    skipped: int = 0
    relative_error: float = math.nan
    standard_error: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    replicates: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    replicate_sizes: np.ndarray = field(default_factory=lambda: np.zeros(0, int), repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_dict(self, values: bool = False) -> dict[str, Any]:
        """All numbers that describe the map, ready for JSON; NaN is None.

        Parameters
        ----------
        values : bool, optional
            Whether to include the values and their standard errors, as nested lists.

        Returns
        -------
        dict
        """
        document = super().to_dict(values)
        sure = not math.isnan(self.relative_error)
        document |= {
            "statistic": self.statistic,
            "samples": self.samples,
            "skipped": self.skipped,
            "relative_error": self.relative_error if sure else None,
            "settings": dict(self.settings),
        }
        if values:
            document["standard_error"] = self.standard_error.tolist() if sure else None
        return document

    def save(self, path: Any) -> None:
        """Write the map to an ``.npz`` file without pickle, which `ImportanceMap.load` reads too.

        Its arrays: ``values``, ``standard_error``, ``replicates``, ``replicate_sizes``, and the
        JSON texts ``about`` and ``gradient``.

        Raises
        ------
        FileError
            If the suffix is not ``.npz`` or the file cannot be written.
        """
        target = check_target(path, (".npz",))
        about = {key: getattr(self, key) for key in _ABOUT}
        text = json.dumps({"format": mapfile.FORMAT, "scale": 0, **about})
        extras = {key: getattr(self, key) for key in _TEXTS} | {"settings": dict(self.settings)}
        arrays: dict[str, Any] = {
            "about": np.array(text),
            "values": self.values,
            "gradient": np.array(json.dumps(extras)),
            **{key: getattr(self, key) for key in _ARRAYS},
        }
        write_whole(target, lambda file: np.savez_compressed(file, **arrays))

    @staticmethod
    def load(path: Any) -> GradientMap:
        """Read a map that `save` wrote; pickled content is refused.

        Raises
        ------
        FileError
            If the file cannot be read or holds something else.
        """
        about, counts = mapfile.load(path, _ABOUT)
        try:
            with np.load(Path(path), allow_pickle=False) as data:
                arrays: dict[str, Any] = {key: np.array(data[key]) for key in _ARRAYS}
                extras = json.loads(str(data["gradient"][()]))
        except KeyError:
            raise FileError(
                f"{path}: a map of another measure, which ImportanceMap.load reads"
            ) from None
        except Exception as error:  # as in mapfile
            raise FileError(f"{path}: not a gradient map saved by erfgraph: {error}") from None
        if set(extras) != {*_TEXTS, "settings"}:
            raise FileError(f"{path}: texts {sorted(extras)}, wanted {sorted(_TEXTS)}")
        return GradientMap(
            **about,
            shape=counts.shape,
            offset=(0,) * len(counts.shape),
            counts=counts,
            **extras,
            **arrays,
        )

    def resampled(self, rng: np.random.Generator) -> np.ndarray:
        """The values of a bootstrap replicate: groups of samples, drawn with replacement.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        float64 array of the map's shape

        Raises
        ------
        InputError
            If there is one sample only.
        """
        n = len(self.replicates)
        if n < 2:
            raise InputError(f"samples: got {self.samples}, wanted at least 2 to draw from")
        taken = rng.integers(0, n, n)
        if self.statistic == "median":
            return np.asarray(np.median(self.replicates[taken], axis=0))
        sizes = self.replicate_sizes[taken]
        total = np.tensordot(sizes, self.replicates[taken], axes=1)
        return np.asarray(np.abs(total / sizes.sum()))


_TEXTS = ("statistic", "samples", "skipped", "relative_error")
_ARRAYS = ("standard_error", "replicates", "replicate_sizes")
