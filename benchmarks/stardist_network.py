"""StarDist's network with random weights, run once for every line of standard input; `speed_peers.py` drives it.

It needs StarDist and TensorFlow, so it runs in an environment of its own:

    python -m venv FOLDER
    FOLDER/bin/pip install stardist==0.9.2 tensorflow-cpu==2.21.0
"""

from __future__ import annotations

import sys
import tempfile

import tensorflow as tf  # type: ignore[import-not-found]
from stardist.models import Config2D, StarDist2D  # type: ignore[import-not-found]


def main() -> None:
    """The default network with a grid of 2 × 2, as its published models have, as a graph, which is faster."""
    side, threads = map(int, sys.argv[1:])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        network = StarDist2D(
            Config2D(n_rays=32, grid=(2, 2), n_channel_in=1), name="random", basedir=folder
        ).keras_model
    predict = tf.function(lambda image: network(image, training=False))
    image = tf.random.normal((1, side, side, 1))
    print("ready", flush=True)
    for _ in sys.stdin:
        [result.numpy() for result in predict(image)]
        print("done", flush=True)


if __name__ == "__main__":
    main()
