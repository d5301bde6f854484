# PyTorch's side of run.mjs: answers one JSON line per request, on the first GPU; without one, on the CPU, to try the
# bench out.
import time

import peer_kernels
import peer_language
import peer_sequences
import peer_training
import torch
from peer_common import cuda, device, synchronize
from side import answer

kinds = {
    "training": peer_training.load_training,
    "language": peer_language.load,
    "latency": peer_training.load_latency,
    "product": peer_kernels.load,
    "convolution": peer_kernels.load,
    "memory": peer_kernels.load,
    "lstm": peer_sequences.load,
    "attention": peer_sequences.load,
}
variants = {}


def describe(request):
    found = {"pytorch": torch.__version__, "pytorchDevice": torch.cuda.get_device_name() if cuda else "cpu"}
    if cuda:
        found["cuda"] = torch.version.cuda
        found["cudnn"] = str(torch.backends.cudnn.version())
        found["bandwidth"] = {"copy": copy_bandwidth()}
    return found


def copy_bandwidth():
    """Bytes per second, read and written, of copying 2 GiB within the device; the median of ten."""
    source = torch.randint(-(2**31), 2**31 - 1, (2**29,), dtype=torch.int32, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(13):
        synchronize()
        start = time.perf_counter()
        for _ in range(4):
            target.copy_(source)
        synchronize()
        times.append((time.perf_counter() - start) / 4)
    return 2 * 4 * 2**29 / sorted(times[3:])[5]


def load(request):
    # both sides compute with the same accuracy: float32 as it is, or tf32 in products and convolutions
    torch.backends.cuda.matmul.allow_tf32 = request["precision"] == "tf32" if "precision" in request else False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.benchmark = True
    variants.clear()
    variants.update(kinds[request["kind"]](request))
    return {"variants": list(variants)}


def sample(request):
    values = variants[request["variant"]].sample()
    if isinstance(values, dict):
        return {"parts": values}
    return {"values": [float(value) for value in values]}


def run(request):
    return variants[request["variant"]].run(request["milliseconds"] / 1000)


def unload(request):
    variants.clear()
    if cuda:
        torch.cuda.empty_cache()
    return {"done": True}


answer({"describe": describe, "load": load, "sample": sample, "run": run, "unload": unload})
