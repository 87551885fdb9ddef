"""Name → network. A new architecture is one file, one line in `_NETWORKS`, and the contract test passes it.

The names are part of the command line's help, so nothing heavy is imported before a network is built.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from countception.errors import ConfigError

if TYPE_CHECKING:
    from countception.config import NetworkConfig
    from countception.networks.base import Network

_NETWORKS = {
    "boxnet": "boxnet:BoxNet",
    "count_ception": "count_ception:CountCeption",
    "count_ception_gaussian": "count_ception_gaussian:CountCeptionGaussian",
    "fcrn_a": "fcrn:FCRNA",
    "fcrn_b": "fcrn:FCRNB",
}


def names() -> tuple[str, ...]:
    """Names of all networks."""
    return tuple(sorted(_NETWORKS))


def check_name(name: str) -> None:
    """Refuse what no network is called.

    Raises
    ------
    ConfigError
        Says how they are called.
    """
    if name not in _NETWORKS:
        raise ConfigError(f"there is no network {name!r}: the networks are {', '.join(names())}")


def build(config: NetworkConfig) -> Network:
    """An untrained network, in float32, whatever torch's default is.

    Raises
    ------
    ConfigError
        No network of that name, or one that cannot have that window and stride.
    """
    check_name(config.name)
    module, kind = _NETWORKS[config.name].split(":")
    network = getattr(import_module(f"countception.networks.{module}"), kind)(config)
    return cast("Network", network.float())


__all__ = ["build", "check_name", "names"]
