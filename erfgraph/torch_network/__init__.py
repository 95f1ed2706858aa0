"""A network as a PyTorch module that computes what it describes.

- `building`: `to_torch`; the only file here that does without PyTorch.
- `module`: `TorchNetwork`, which runs layer after layer.
- `table`: what each layer is, one row an operation.
- `weighted`, `windows`, `copies`, `merges`, `passed`: those operations.
"""
