# PyTorch on the CPU as a side: its threads, and weights as Keras keeps them.
import re
import sys

import numpy
import torch


def require_fast_products():
    """With the reference BLAS that Debian installs by default, products take 15 times as long as they need."""
    torch.ones(2, 2) @ torch.ones(2, 2)
    with open("/proc/self/maps") as maps:
        if not re.search("openblas|mkl", maps.read()):
            raise SystemExit("PyTorch runs on a reference BLAS: sudo apt-get install libopenblas0-pthread")


def use_threads():
    """As many threads as the command line says; denormal numbers are flushed, as Weft does it."""
    require_fast_products()
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)


def set_weights(parts, request):
    """Weights come as Keras keeps them: HWIO, [in, out], and rows of the first dense layer in height, width, channel order."""
    values = numpy.fromfile(request["folder"] + "/weights", dtype=numpy.float32)
    offset, arrays = 0, []
    for shape in request["weightShapes"]:
        count = int(numpy.prod(shape))
        arrays.append(values[offset : offset + count].reshape(shape))
        offset += count
    channels = None
    with torch.no_grad():
        for part, kernel, bias in zip(parts, arrays[::2], arrays[1::2]):
            if kernel.ndim == 4:
                channels = kernel.shape[3]
                kernel = kernel.transpose(3, 2, 0, 1)
            else:
                if channels is not None:
                    side = int(round((kernel.shape[0] // channels) ** 0.5))
                    kernel = kernel.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
                    channels = None
                kernel = kernel.T
            part.weight.copy_(torch.from_numpy(numpy.ascontiguousarray(kernel)))
            part.bias.copy_(torch.from_numpy(bias))
