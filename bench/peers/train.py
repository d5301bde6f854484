# PyTorch's side of train.mjs: training steps in both memory layouts, answered as JSON lines.
import numpy
import torch
from side import answer, start_clocks
from torch_side import set_weights, use_threads

use_threads()

networks = {}


class Network(torch.nn.Module):
    def __init__(self, request):
        super().__init__()
        self.parts = torch.nn.ModuleList()
        self.activations = []
        self.layers = request["layers"]
        shapes = iter(request["weightShapes"][::2])
        for layer in self.layers:
            if layer["type"] == "conv":
                _, _, channels, filters = next(shapes)
                self.parts.append(torch.nn.Conv2d(channels, filters, 3))
            elif layer["type"] == "dense":
                units_in, units_out = next(shapes)
                self.parts.append(torch.nn.Linear(units_in, units_out))

    # The result is logits: PyTorch's cross-entropy is at its best on them.
    def forward(self, x):
        parts = iter(self.parts)
        for layer in self.layers:
            if layer["type"] == "conv":
                x = torch.relu_(next(parts)(x))
            elif layer["type"] == "pool":
                x = torch.nn.functional.max_pool2d(x, 2)
            elif layer["type"] == "flatten":
                x = torch.flatten(x, 1)
            else:
                x = next(parts)(x)
                if layer["activation"] == "relu":
                    x = torch.relu_(x)
        return x


class Trainer:
    """One network in one layout, with one form of Adam."""

    def __init__(self, request, layout, foreach, epsilon=1e-7):
        folder = request["folder"]
        shape = [request["samples"]] + request["inputShape"]
        x = torch.from_numpy(numpy.fromfile(folder + "/x", dtype=numpy.float32).reshape(shape))
        if len(shape) == 4 and layout == "nchw":
            x = x.permute(0, 3, 1, 2).contiguous()
        self.image = x.shape[1:]
        self.x = x.reshape(shape[0], -1)
        self.y = torch.from_numpy(numpy.fromfile(folder + "/y", dtype=numpy.int32).astype(numpy.int64))
        self.layout = layout
        self.network = Network(request)
        set_weights(self.network.parts, request)
        if layout == "nhwc":
            self.network = self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=epsilon, foreach=foreach)
        self.criterion = torch.nn.CrossEntropyLoss()

    def step(self, index, totals):
        x = self.x.index_select(0, index).view(-1, *self.image)
        if self.layout == "nhwc":
            x = x.permute(0, 3, 1, 2)
        y = self.y.index_select(0, index)
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(x)
        loss = self.criterion(logits, y)
        loss.backward()
        self.optimizer.step()
        detached = loss.detach()
        totals[0] += detached
        totals[1] += (logits.detach().argmax(1) == y).sum()
        return detached

    def steps(self, batch, count):
        samples = len(self.y)
        totals = torch.zeros(2)
        clocks = start_clocks()
        permutation = torch.randperm(samples)
        position = 0
        for _ in range(count):
            if position + batch > samples:
                permutation = torch.randperm(samples)
                position = 0
            self.step(permutation[position : position + batch], totals)
            position += batch
        totals.tolist()
        return clocks(count)


def layouts(request):
    return ["nchw", "nhwc"] if len(request["inputShape"]) == 3 else ["rows"]


def load(request):
    variants = [f"{layout}{' foreach' if foreach else ''}" for layout in layouts(request) for foreach in (False, True)]
    networks[request["name"]] = {variant: Trainer(request, variant.split()[0], "foreach" in variant) for variant in variants}
    return {"variants": variants, "version": torch.__version__}


def check(request):
    """Mean losses over the epochs of a run that starts from the initial weights and never shuffles."""
    trainer = Trainer(request, request["variant"].split()[0], "foreach" in request["variant"], request["epsilon"])
    losses = []
    for _ in range(request["epochs"]):
        totals = torch.zeros(2)
        for step in range(request["steps"]):
            trainer.step(torch.arange(step * request["batch"], (step + 1) * request["batch"]), totals)
        losses.append(totals[0].item() / request["steps"])
    return {"losses": losses}


def steps(request):
    return networks[request["name"]][request["variant"]].steps(request["batch"], request["count"])


answer({"load": load, "check": check, "steps": steps})
