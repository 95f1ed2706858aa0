"""`verify`: choose claims, run them, collect what they found."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from erfgraph.errors import InputError, MissingExtraError, unknown_name
from erfgraph.loading import load
from erfgraph.network import Network
from erfgraph.params import is_int
from erfgraph.verification import (
    branches,
    chains,
    fields,
    gradients,
    growth,
    observations,
    own,
    weights,
)
from erfgraph.verification.nouns import (
    AUTOGRAD,
    Check,
    Claim,
    LeftOut,
    LeftOutError,
    Outcome,
    Request,
    Verification,
)

CLAIMS: tuple[Claim, ...] = (
    *chains.CLAIMS,
    *growth.CLAIMS,
    *fields.CLAIMS,
    *branches.CLAIMS,
    *weights.CLAIMS,
    *gradients.CLAIMS,
    *observations.CLAIMS,
)
OWN: tuple[Claim, ...] = own.CLAIMS  # asked of the user's networks

Step = tuple[Claim, Request]


def verify(
    quick: bool = False,
    only: str | Sequence[str] | None = None,
    nets: Any = (),
    seed: int = 0,
    progress: Callable[[int, int], Any] | None = None,
    *,
    torch: bool = True,
) -> Verification:
    """Run the theory suite: every claim of the theory as a named check.

    Parameters
    ----------
    quick : bool, optional
        Only what needs seconds and no PyTorch; what is left out is listed.
    only : str or sequence of str, optional
        Names of claims (``"chains/variance"``) or of groups of them (``"chains"``); default
        all.
    nets : Network, anything that `load` takes, or a sequence of them, optional
        Networks of your own, of which the claims of the group ``"own"`` are asked.
    seed : int, optional
        For everything that is drawn; same seed, same result.
    progress : callable, optional
        Called with (done, all), in checks.
    torch : bool, optional
        False leaves out the checks by autograd.

    Returns
    -------
    Verification

    Raises
    ------
    NameLookupError
        If there is no such claim or group.
    InputError
        If the seed is no integer from 0 on, or claims on networks are asked for without one.
    MissingExtraError
        If checks by autograd are wanted and PyTorch is not installed.
    ErfgraphError
        As `load` does.

    Notes
    -----
    A check that raises an error has failed. Tolerances of checks by sampling come from the
    samples' own standard errors.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.verify(quick=True, only=["chains/trinomials", "own/graph"], nets="conv3s2*2")
    >>> print(found.summary)
    4 of 4 checks passed
    """
    if not is_int(seed) or seed < 0:
        raise InputError(f"seed: got {seed!r}, wanted an integer from 0 on")
    given = [nets] if isinstance(nets, str | Network) or not _is_sequence(nets) else nets
    made = [net if isinstance(net, Network) else load(net) for net in given]
    steps = list(_steps(chosen(only), made, int(seed)))
    if not steps:
        raise InputError("only: the chosen claims are asked of networks, got none (nets)")
    wanted = torch and not quick
    if wanted and any(request.how == AUTOGRAD for _, request in steps):
        require_torch()
    rows: list[Check] = []
    left: list[LeftOut] = []
    for i, (claim, request) in enumerate(steps):
        if request.how == AUTOGRAD and not wanted:
            left.append(_left(claim, request, "needs PyTorch, and is not quick"))
        else:
            found = _checked(claim, request)
            rows.append(found) if isinstance(found, Check) else left.append(found)
        if progress is not None:
            progress(i + 1, len(steps))
    return Verification(tuple(rows), tuple(left), int(seed))


def _is_sequence(nets: Any) -> bool:
    return isinstance(nets, Sequence)


def require_torch() -> None:
    """Refuse where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            "PyTorch is not installed, and checks by autograd need it; pip install "
            "'erfgraph[torch]', or leave them out (--quick or --no-torch; quick=True or "
            "torch=False)"
        )


def chosen(only: str | Sequence[str] | None) -> tuple[Claim, ...]:
    """The claims of some names or groups, in the suite's order."""
    every = (*CLAIMS, *OWN)
    if only is None:
        return every
    wanted = [only] if isinstance(only, str) else list(only)
    known = {name for claim in every for name in (claim.name, claim.group)}
    for name in wanted:
        if name not in known:
            raise unknown_name("claim", str(name), known)
    return tuple(claim for claim in every if claim.name in wanted or claim.group in wanted)


def _steps(claims: Sequence[Claim], nets: Sequence[Network], seed: int) -> Iterator[Step]:
    for claim in claims:
        if claim not in OWN:
            yield from ((claim, Request(how, seed)) for how in claim.hows)
    for net in nets:
        for claim in claims:
            if claim in OWN:
                yield from ((claim, Request(how, seed, net)) for how in claim.hows)


def _checked(claim: Claim, request: Request) -> Check | LeftOut:
    try:
        found = claim.run(request)
    except LeftOutError as reason:
        return _left(claim, request, str(reason))
    except Exception as error:  # whatever it is, the claim does not hold here
        said = " ".join(str(error).split())
        found = Outcome("no error", type(error).__name__, False, said)
    return Check(
        name=claim.name,
        claim=claim.text,
        source=claim.source,
        how=request.how,
        expected=found.expected,
        found=found.found,
        passed=found.passed,
        detail=found.detail,
        network=_name(request),
    )


def _left(claim: Claim, request: Request, reason: str) -> LeftOut:
    return LeftOut(claim.name, request.how, reason, _name(request))


def _name(request: Request) -> str | None:
    return None if request.net is None else request.net.name or "network"
