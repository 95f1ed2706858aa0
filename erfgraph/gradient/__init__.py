"""Gradient ERF: what autograd says of a PyTorch module, on the grid of an importance map.

- `running`: `gradient_importance`, which runs a plan and stops where it is told to.
- `plan`: which weights see which inputs, step by step.
- `weights`, `inputs`: how weights are drawn and where inputs come from.
- `capture`: the gradient of one unit, by a forward pass that ends at its layer.
- `passthrough`: backward passes that take ReLU or max-pooling as linear.
- `statistics`, `sums`: what is averaged over samples, and how sure the average is.
- `map`, `checkpoint`: the result, and the file from which an interrupted run goes on.

PyTorch is imported on use.
"""
