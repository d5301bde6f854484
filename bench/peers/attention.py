# PyTorch's side of attention.mjs: training steps of the same small GPT, and attention alone, answered as JSON lines.
import numpy
import torch
from gpt import Trainer, attention, future
from side import answer, start_clocks, timed_for
from torch_side import use_threads

use_threads()

variants = [f"{kind}{' foreach' if foreach else ''}" for kind in ("sdp", "bmm") for foreach in (False, True)]
state = {}


def load(request):
    state["request"] = request
    state["trainers"] = {variant: Trainer(request, variant) for variant in variants}
    return {"variants": variants, "version": torch.__version__}


def check(request):
    trainer = Trainer(state["request"], request["variant"], request["epsilon"])
    return {"losses": [trainer.step(i).item() for i in range(request["count"])]}


def steps(request):
    trainer, count = state["trainers"][request["variant"]], request["count"]
    clocks = start_clocks()
    for i in range(count):
        trainer.step(i)
    return clocks(count)


def pattern(shape, seed):
    i = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint64)
    mixed = (i * 2654435761 + seed * 40503) & 0xFFFFFFFF
    return torch.from_numpy((((mixed >> 16) & 127).astype(numpy.float32) / 64 - 1).reshape(shape))


def load_kernel(request):
    batch, heads, d = request["batch"], request["heads"], request["width"] // request["heads"]
    lengths = (request["queries"], request["keys"], request["keys"])
    # contiguous by head, which is what suits PyTorch best
    operands = [pattern((batch, t, heads, d), i + 1).transpose(1, 2).contiguous() for i, t in enumerate(lengths)]
    backward = request["pass"] != "forward"
    for x in operands:
        x.requires_grad_(backward)
    gradient = pattern((batch, request["queries"], heads, d), 4).transpose(1, 2).contiguous()
    mask = future(request["queries"], request["keys"]) if request["causal"] and request["queries"] > 1 else None

    def run(variant):
        if not backward:
            with torch.inference_mode():
                return [attention(variant, *operands, mask)]
        y = attention(variant, *operands, mask)
        return [y.detach(), *torch.autograd.grad(y, operands, gradient)]

    state["kernel"] = run
    values = [x.transpose(1, 2).reshape(-1)[::97].tolist() for x in run("bmm")]
    return {"values": sum(values, []), "variants": ["sdp", "bmm"], "version": torch.__version__}


def run_kernel(request):
    return timed_for(lambda: state["kernel"](request["variant"]), request["milliseconds"] / 1000)


answer({"load": load, "check": check, "steps": steps, "loadKernel": load_kernel, "runKernel": run_kernel})
