"""Einstein sums, as permutations, linear layers and matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from erfgraph.errors import LayerError
from erfgraph.importers import moves
from erfgraph.importers.attention import matmul
from erfgraph.importers.contract import contract
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Numbers, Traced


def einsum(t: Tracer, equation: str, operands: Sequence[Traced | Constant]) -> Traced:
    """``torch.einsum`` of one or two tensors.

    Raises
    ------
    LayerError
        If there are more, or a letter stands twice in one of them.
    """
    left, _, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "..." in equation:
        terms, out = _spelled(terms, out, operands)
    if not _plain(terms, out) or len(terms) != len(operands) or len(terms) > 2:
        raise LayerError(f"einsum: {equation!r} is not supported")
    if len(terms) == 1:
        (v,) = operands
        assert isinstance(v, Traced)
        return _one(t, v, terms[0], out, 1, "")
    a, b = operands
    if isinstance(a, Traced) and isinstance(b, Traced):
        return _two(t, a, terms[0], b, terms[1], out)
    v, term, other, weight = (
        (a, terms[0], terms[1], b) if isinstance(a, Traced) else (b, terms[1], terms[0], a)
    )
    assert isinstance(v, Traced)
    new = [x for x in out if x not in term]
    sizes = dict(zip(other, weight.shape, strict=True))
    features = math.prod(sizes[x] for x in new)
    made = _one(t, v, term, out, features, "".join(new), _matrix(weight, other, term, out, new))
    return moves.reshape(
        t, made, [(sizes | dict(zip(term, v.shape, strict=True)))[x] for x in out]
    )


def _spelled(
    terms: Sequence[str], out: str, operands: Sequence[Traced | Constant]
) -> tuple[list[str], str]:
    """An ellipsis as letters of its own."""
    free = [chr(c) for c in range(ord("A"), ord("Z") + 1) if chr(c) not in "".join(terms)]
    most = 0
    spelled = []
    for term, v in zip(terms, operands, strict=True):
        n = len(v.shape) - len(term.replace("...", "")) if "..." in term else 0
        most = max(most, n)
        spelled.append(term.replace("...", "".join(free[len(free) - n :])))
    return spelled, out.replace("...", "".join(free[len(free) - most :]))


def _plain(terms: Sequence[str], out: str) -> bool:
    known = set("".join(terms))
    return all(len(set(x)) == len(x) for x in (*terms, out)) and set(out) <= known


def _matrix(
    weight: Traced | Constant, letters: str, term: str, out: str, new: Sequence[str]
) -> Numbers | None:
    """A constant operand as (what is new, what is summed), if it is nothing else."""
    order = [*new, *(x for x in term if x not in out)]
    if sorted(order) != sorted(letters):
        return None
    rows = math.prod(weight.shape[letters.index(x)] for x in new)
    turned = [letters.index(x) for x in order]
    return then(numbers_of(weight), lambda w: w.transpose(turned).reshape(rows, -1))


def _one(
    t: Tracer,
    v: Traced,
    term: str,
    out: str,
    features: int,
    new: str,
    weight: Numbers | None = None,
) -> Traced:
    """A sum over the letters that are not in the output, weighted where there are new ones."""
    summed = [i for i, x in enumerate(term) if x not in out]
    if summed or new:
        if not summed:
            v = moves.unsqueeze(t, v, v.ndim)
            term, summed = term + "!", [v.ndim - 1]
        how = "linear" if new or features > 1 else "avg_pool"
        v = contract(t, v, summed, how, features, weight)
        if new:
            last = summed[-1]
            v = moves.squeeze(t, v, summed[:-1])
            kept = [x for i, x in enumerate(term) if i not in summed[:-1]]
            kept[last - len(summed) + 1] = "*"
        else:
            v = moves.squeeze(t, v, summed)
            kept = [x for i, x in enumerate(term) if i not in summed]
    else:
        kept = list(term)
    order = [x for x in out if x not in new]
    if not new:
        return moves.permute(t, v, [kept.index(x) for x in order])
    if new not in out:
        raise LayerError(f"einsum: new letters {new!r} do not stand together")
    start = out.index(new)
    places = [kept.index(x) for x in out[:start]] + [kept.index("*")]
    return moves.permute(t, v, places + [kept.index(x) for x in out[start + len(new) :]])


def _two(t: Tracer, a: Traced, ta: str, b: Traced, tb: str, out: str) -> Traced:
    """A batched matrix product."""
    sizes = dict(zip(ta, a.shape, strict=True)) | dict(zip(tb, b.shape, strict=True))
    batch = [x for x in ta if x in tb and x in out]
    summed = [x for x in ta if x in tb and x not in out]
    rows = [x for x in ta if x not in tb]
    cols = [x for x in tb if x not in ta]
    if any(x not in out for x in (*rows, *cols)):
        raise LayerError("einsum: a letter of one tensor alone is summed")
    if rows and cols and out.index(cols[-1]) < out.index(rows[-1]):
        return _two(t, b, tb, a, ta, out)  # rows before columns: queries before keys

    def arranged(v: Traced, term: str, groups: Sequence[Sequence[str]]) -> Traced:
        v = moves.permute(t, v, [term.index(x) for group in groups for x in group])
        lead = [sizes[x] for x in groups[0]]
        return moves.reshape(t, v, [*lead, *(math.prod(sizes[x] for x in g) for g in groups[1:])])

    made = matmul(
        t, arranged(a, ta, (batch, rows, summed)), arranged(b, tb, (batch, summed, cols))
    )
    letters = [*batch, *rows, *cols]
    made = moves.reshape(t, made, [sizes[x] for x in letters])
    return moves.permute(t, made, [letters.index(x) for x in out])
