# PyTorch's side of kernels.mjs: matrix products (which are OpenBLAS'), convolutions in both layouts and bandwidth-bound
# operations.
import numpy
import torch
from side import answer, timed_for
from torch_side import use_threads

use_threads()
torch.set_grad_enabled(False)


def pattern(shape, seed):
    """The same numbers on both sides: multiples of 1/64 in [-1, 1), so that short sums are exact."""
    index = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint32)
    values = ((index * numpy.uint32(2654435761) + numpy.uint32(seed * 40503)) >> numpy.uint32(16)) & numpy.uint32(127)
    return torch.from_numpy((values.astype(numpy.float32) / 64 - 1).reshape(shape))


def mat_mul(request, variant):
    a = pattern([request["m"], request["k"]], 1)
    b = pattern([request["k"], request["n"]], 2)
    result = torch.empty(request["m"], request["n"])
    return lambda: torch.mm(a, b, out=result)


def convolution(request, variant):
    batch, side, channels, filters = (request[key] for key in ("batch", "side", "channels", "filters"))
    layout = torch.channels_last if variant == "nhwc" else torch.contiguous_format
    x = pattern([batch, side, side, channels], 1).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    k = pattern([3, 3, channels, filters], 2).permute(3, 2, 0, 1).contiguous(memory_format=layout)
    g = pattern([batch, side - 2, side - 2, filters], 3).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    if request["pass"] == "forward":
        return lambda: torch.nn.functional.conv2d(x, k)
    mask = [request["pass"] == "data gradient", request["pass"] == "filter gradient", False]
    return lambda: torch.ops.aten.convolution_backward(g, x, k, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, mask)[0 if mask[0] else 1]


def bandwidth(request, variant):
    op = request["op"]
    x = pattern([4096, 1024], 1)
    y = pattern([4096, 1024], 2)
    result = torch.empty_like(x)
    return {
        "add": lambda: torch.add(x, y, out=result),
        "relu": lambda: torch.clamp_min(x, 0, out=result),
        "exp": lambda: torch.exp(x, out=result),
        "tanh": lambda: torch.tanh(x, out=result),
        "sum": lambda: torch.sum(x),
        "softmax": lambda: torch.softmax(x, 1, out=result),
    }[op]


makers = {"matMul": mat_mul, "convolution": convolution, "bandwidth": bandwidth}
functions = {}


def load(request):
    kind = request["kind"]
    variants = ["nchw", "nhwc"] if kind == "convolution" else [""]
    functions.clear()
    for variant in variants:
        functions[variant] = makers[kind](request, variant)
    return {"variants": variants, "version": torch.__version__}


def sample(request):
    """The result in Weft's layout, thinned to about 4096 numbers."""
    result = functions[list(functions)[0]]()
    if request["kind"] == "convolution":
        result = result.permute(2, 3, 1, 0) if request["pass"] == "filter gradient" else result.permute(0, 2, 3, 1)
    flat = result.reshape(-1)
    return {"values": flat[:: max(1, len(flat) // 4096)].tolist()}


def run(request):
    return timed_for(functions[request["variant"]], request["milliseconds"] / 1000)


answer({"load": load, "sample": sample, "run": run})
