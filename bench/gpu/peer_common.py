# What PyTorch's sides share: the numbers of pattern.mjs, timing as Weft's side does it, and recording calls as a CUDA
# graph.
import sys

import numpy
import torch
from side import timed_for

cuda = torch.cuda.is_available()
device = torch.device("cuda" if cuda else "cpu")
PERIOD = 2**22


def synchronize():
    if cuda:
        torch.cuda.synchronize()


def hashes(n, seed):
    x = numpy.arange(n, dtype=numpy.uint32) * numpy.uint32(0x9E3779B1) + numpy.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
    x = (x ^ (x >> numpy.uint32(16))) * numpy.uint32(0x21F0AAAD)
    x = (x ^ (x >> numpy.uint32(15))) * numpy.uint32(0x735A2D97)
    return x ^ (x >> numpy.uint32(15))


periods = {}


def pattern(shape, seed, dtype="float32"):
    n = int(numpy.prod(shape))
    length = min(n, PERIOD)
    if seed not in periods or len(periods[seed]) < length:
        base = (hashes(length, seed).view(numpy.int32).astype(numpy.float64) / 2**31).astype(numpy.float32)
        periods[seed] = torch.from_numpy(base).to(device)
    values = periods[seed][:length].to(getattr(torch, dtype), copy=True)
    if n > PERIOD:
        values = values.repeat(-(-n // PERIOD))[:n]
    return values.reshape(shape)


def labels(n, classes):
    return torch.from_numpy((hashes(n, 9) % numpy.uint32(classes)).astype(numpy.int64)).to(device)


def tokens(samples, steps, vocabulary):
    """Sequences of token ids, one step longer than what is learned from them: tokenAt of pattern.mjs."""
    count = steps + 1
    first = (hashes(samples, 11) % numpy.uint32(vocabulary)).astype(numpy.int64)
    rule = (first[:, None] + 7 * numpy.arange(count)[None]) % vocabulary
    noise = (hashes(samples * count, 13) % numpy.uint32(vocabulary)).astype(numpy.int64).reshape(samples, count)
    noisy = (hashes(samples * count, 12) % numpy.uint32(3) == 0).reshape(samples, count)
    return torch.from_numpy(numpy.where(noisy, noise, rule)).to(device)


def thinned(result):
    """The values at the positions that pattern.mjs names."""
    flat = result.reshape(-1)
    n = len(flat)
    if n <= 4096:
        places = numpy.arange(n)
    else:
        places = numpy.floor(hashes(4096, 7).astype(numpy.float64) / 2**32 * n).astype(numpy.int64)
    return flat[torch.from_numpy(places).to(device)].float().tolist()


def timed(function, calls, seconds):
    """Microseconds per call: `function` makes `calls` calls; eight of it are queued at a time."""
    return timed_for(function, seconds, calls, settle=synchronize)


def recorded(function):
    """The function as a CUDA graph that is replayed; as it is where there is no GPU, or where it cannot be recorded."""
    if not cuda:
        return function
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(side)
    synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            kept = function()
    except RuntimeError as error:
        print(f"not recorded: {error}", file=sys.stderr)
        synchronize()
        return function

    def replay(kept=kept):  # what the graph writes must live as long as it
        graph.replay()

    return replay
