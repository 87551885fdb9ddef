"""Weights that ship with the package, learned from our own simulated images alone (`benchmarks/pretrain.py`).

They are a start, not a model: a training goes on from them and so needs fewer images and less time. They are shipped
for networks of standard width; images of any number of channels and any number of classes can start from them.
"""

from __future__ import annotations

import math
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor

from countception.config import NetworkConfig
from countception.networks.base import Network


def load_pretrained(network: Network) -> bool:
    """Put shipped weights into an untrained network; False, and no change, where there are none that fit.

    Parameters
    ----------
    network
        Weights of the first layer are spread over its input channels, those of the head copied for each class, whose
        densities begin with about the share of one class among all.
    """
    source = files("countception") / "weights" / f"{network.config.name}.safetensors"
    if not source.is_file() or network.config.stride != NetworkConfig().stride:
        return False  # four classes with a cell each fill the head of one class with four cells, and mean another thing
    with as_file(source) as path:
        shipped = {name: tensor.float() for name, tensor in load_file(path).items()}
    own = network.state_dict()
    classes = network.config.classes
    fitted = {name: _fit(shipped[name], own[name], classes) for name in own if name in shipped}
    if set(own) - set(shipped) or any(tensor is None for tensor in fitted.values()):
        return False
    network.load_state_dict({name: tensor for name, tensor in fitted.items() if tensor is not None})
    return True


def _fit(shipped: Tensor, own: Tensor, classes: int) -> Tensor | None:
    """Shipped values in the shape of the network's own, or None where that makes no sense."""
    if shipped.shape == own.shape:
        return shipped.to(own.dtype)
    if shipped.ndim == 4 and shipped.shape[0] == own.shape[0] and shipped.shape[2:] == own.shape[2:]:
        if shipped.shape[1] != 3:
            return None
        # Every channel is looked at like the mean of the three, and together they weigh as much as those did.
        grey = shipped.sum(1, keepdim=True) / own.shape[1]
        return grey.expand_as(own).clone()
    if own.shape[0] == classes * shipped.shape[0] and own.shape[1:] == shipped.shape[1:]:  # the head
        copied = torch.cat([shipped] * classes)
        return copied - math.log(classes) if copied.ndim == 1 else copied  # softplus is exp where densities are low
    return None
