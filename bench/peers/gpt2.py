# PyTorch's side of gpt2.mjs, answered as JSON lines.
import re

import torch
from gpt import Trainer
from side import answer, start_clocks
from torch_side import use_threads

use_threads()
state = {"done": 0}


def load(request):
    state["trainer"] = Trainer(request, request["variant"], 1e-12)
    return {"version": torch.__version__}


def step():
    loss = state["trainer"].step(state["done"])
    state["done"] += 1
    return loss


def losses(request):
    """The losses of the first steps. Memory counts from then on: what loading took is not a step's."""
    values = [step().item() for _ in range(request["count"])]
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return {"losses": values}


def steps(request):
    clocks = start_clocks()
    for _ in range(request["count"]):
        step()
    return clocks(request["count"])


def memory(_):
    """The most bytes that were resident."""
    with open("/proc/self/status") as file:
        return {"bytes": 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))}


answer({"load": load, "losses": losses, "steps": steps, "memory": memory})
