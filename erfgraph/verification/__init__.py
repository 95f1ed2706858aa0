"""The theory suite: every claim of the theory as a named check, run by `verify`.

The nouns: a `Claim` is a sentence with a source, and a function that checks it in one or more
ways; a `Check` is what one way found; a `Verification` is all of them. The verb: `verify`.

One module a group of claims, one `Claim` a row of its table `CLAIMS`:

- `chains`: path counts of plain chains, their moments, their shape.
- `growth`: how the effective field grows, and what changes it.
- `fields`: receptive-field arithmetic, holes, unevenness, signs, squares.
- `branches`: skips and sub-paths.
- `weights`: the measures `uniform` and `variance` against closed forms.
- `gradients`: path counts and `variance` against PyTorch's autograd.
- `observations`: what Luo et al. 2016 report of networks with random weights.
- `own`: the same questions to any network that the user names.
"""

from erfgraph.verification.nouns import Check, Claim, Verification
from erfgraph.verification.runner import verify

__all__ = ["Check", "Claim", "Verification", "verify"]
