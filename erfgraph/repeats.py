"""Equal nodes of a graph that follow each other, and equal parts of it, found and counted.

A graph is given by what is equal of its nodes (`looks`) and by the nodes that each of them reads
(`reads`), every node behind those that it reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

LONGEST_PART = 32  # pieces of a part whose repetitions are looked for

Run = tuple[range, int]  # the first of equal parts in a row, and how many there are


def chains(looks: Sequence[Hashable], reads: Sequence[Sequence[int]]) -> list[list[int]]:
    """Nodes by runs of equal ones, each read by nothing but the next.

    Examples
    --------
    >>> chains("abbb", [[], [0], [1], [2]])
    [[0], [1, 2, 3]]
    """
    readers = [0] * len(looks)
    for sources in reads:
        for source in sources:
            readers[source] += 1
    found: list[list[int]] = []
    ending: dict[int, list[int]] = {}  # chain by its last node
    for k, sources in enumerate(reads):
        source = sources[0] if len(sources) == 1 else -1
        if source >= 0 and readers[source] == 1 and looks[source] == looks[k]:
            chain = ending.pop(source)
            chain.append(k)
        else:
            chain = [k]
            found.append(chain)
        ending[k] = chain
    return found


def runs(
    looks: Sequence[Hashable], reads: Sequence[Sequence[int]], *, inside: bool = False
) -> list[Run]:
    """Nodes by parts: the first of equal parts in a row, and how many there are.

    Parameters
    ----------
    looks : sequence of hashable
    reads : sequence of sequence of int
    inside : bool
        Whether parts are also looked for that several nodes enter and leave. Else every way
        runs through both ends of a part.

    Examples
    --------
    >>> runs("abcbc", [[], [0], [1, 0], [2], [3, 2]])
    [(range(0, 1), 1), (range(1, 3), 2)]
    """
    whole = pieces(reads)
    shapes = [
        tuple((looks[k], tuple(source - k for source in reads[k])) for k in piece)
        for piece in whole
    ]
    found: list[Run] = []
    i = 0
    while i < len(whole):
        saved, period, times = 0, 1, 1
        for p in range(1, min(LONGEST_PART, (len(whole) - i) // 2) + 1):
            n = 1
            while shapes[i + n * p : i + (n + 1) * p] == shapes[i : i + p]:
                n += 1
            save = (n - 1) * sum(map(len, whole[i : i + p]))
            if save > saved:
                saved, period, times = save, p, n
        run = range(whole[i].start, whole[i + period - 1].stop)
        found += [(run, times)] if times > 1 or not inside else _windows(looks, reads, run)
        i += period * times
    return found


def pieces(reads: Sequence[Sequence[int]]) -> list[range]:
    """Nodes by pieces: each ends with one that nothing behind it reads past."""
    furthest = [-1] * len(reads)  # the last that reads it
    for k, sources in enumerate(reads):
        for source in sources:
            furthest[source] = k
    found, start, over = [], 0, -1
    for k in range(len(reads)):
        if over <= k or k == len(reads) - 1:  # all before are read by this one at the latest
            found.append(range(start, k + 1))
            start = k + 1
        over = max(over, furthest[k])
    return found


def _windows(looks: Sequence[Hashable], reads: Sequence[Sequence[int]], piece: range) -> list[Run]:
    """Parts within a piece that follow each other, each read by itself and the next alone."""
    found: list[Run] = []
    i = piece.start
    while i < piece.stop:
        best = (0, 1, 1)
        for p in range(2, (piece.stop - i) // 2 + 1):
            n = _times(looks, reads, i, p, piece.stop)
            best = max(best, ((n - 1) * p, p, n), key=lambda one: one[0])
        _, p, n = best
        found.append((range(i, i + p), n))
        i += p * n
    return found


def _times(
    looks: Sequence[Hashable], reads: Sequence[Sequence[int]], i: int, p: int, stop: int
) -> int:
    """How often the `p` nodes from `i` on follow each other."""
    entered: dict[int, int] = {}  # for what a repetition reads of the one before: what the first
    n = 1
    while i + (n + 1) * p <= stop and all(
        looks[k] == looks[k + p * n] and _alike(reads, k, p, n, i, entered)
        for k in range(i, i + p)
    ):
        n += 1
    while n > 1 and not _closed(reads, i, p, n):
        n -= 1
    return n


def _alike(
    reads: Sequence[Sequence[int]], k: int, p: int, n: int, i: int, entered: dict[int, int]
) -> bool:
    """Whether node `k` of the first part and its copy in part `n` read the same."""
    first, copy = reads[k], [source - n * p for source in reads[k + n * p]]
    if len(first) != len(copy):
        return False
    for a, b in zip(first, copy, strict=True):
        if a >= i or b >= i:
            if a != b:
                return False
        elif b < i - p or entered.setdefault(b, a) != a:
            return False
    return True


def _closed(reads: Sequence[Sequence[int]], i: int, p: int, n: int) -> bool:
    """Whether no part but the last is read from behind the next one."""
    for k in range(i, len(reads)):
        part = min((k - i) // p, n)
        if any(i <= source < i + (part - 1) * p for source in reads[k]):
            return False
    return True


def doors(reads: Sequence[Sequence[int]]) -> list[int]:
    """For each node the last before it through which every way to it runs; the first's is itself.

    Examples
    --------
    >>> doors([[], [0], [1], [1], [2, 3]])
    [0, 0, 1, 1, 1]
    """
    found, depth = [0] * len(reads), [0] * len(reads)
    for k, sources in enumerate(reads):
        if not sources:
            continue
        at = sources[0]
        for other in sources[1:]:
            while at != other:
                if depth[at] >= depth[other]:
                    at = found[at]
                else:
                    other = found[other]
        found[k], depth[k] = at, depth[at] + 1
    return found
