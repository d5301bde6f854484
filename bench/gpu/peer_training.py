# Training steps and single-sample inference on PyTorch's side: as users write them, compiled, and recorded as one CUDA
# graph per step.
import time

import numpy
import torch
from peer_common import cuda, device, recorded, synchronize
from side import timed_for
from torch_side import set_weights


class Network(torch.nn.Module):
    """Logits of a network of 3x3 convolutions with relu, 2x2 pools and dense layers."""

    def __init__(self, request):
        super().__init__()
        self.parts = torch.nn.ModuleList()
        self.layers = request["layers"]
        shapes = iter(request["weightShapes"][::2])
        for layer in self.layers:
            if layer["type"] == "conv":
                _, _, channels, filters = next(shapes)
                self.parts.append(torch.nn.Conv2d(channels, filters, 3))
            elif layer["type"] == "dense":
                self.parts.append(torch.nn.Linear(*next(shapes)))

    def forward(self, x):
        parts = iter(self.parts)
        for layer in self.layers:
            if layer["type"] == "conv":
                x = torch.relu(next(parts)(x))
            elif layer["type"] == "pool":
                x = torch.nn.functional.max_pool2d(x, 2)
            elif layer["type"] == "flatten":
                x = torch.flatten(x, 1)
            else:
                x = next(parts)(x)
                if layer["activation"] == "relu":
                    x = torch.relu(x)
        return x


class Trainer:
    """One network in one layout; `mode`: eager, compile (with its own CUDA graphs), graph, compiled graph, autotuned graph."""

    def __init__(self, request, layout, mode, fused):
        self.request, self.layout, self.mode = request, layout, mode
        self.batch, self.samples = request["batch"], request["samples"]
        self.load_data()
        self.network = self.make_network()
        options = {"fused": True, "capturable": True} if fused and cuda else {}
        self.optimizer = self.make_optimizer(options)
        self.totals = torch.zeros(2, device=device)
        self.permutation = torch.arange(self.samples, device=device)
        self.offset = torch.zeros(1, dtype=torch.int64, device=device)
        self.range = torch.arange(self.batch, device=device)
        self.forward = self.loss
        if mode == "compile":
            self.forward = torch.compile(self.loss, mode="reduce-overhead")
        elif mode == "compiled graph":
            self.forward = torch.compile(self.loss)
        elif mode == "autotuned graph":
            self.forward = torch.compile(self.loss, mode="max-autotune-no-cudagraphs")
        self.set_weights()
        self.graph = recorded(self.next_step) if mode.endswith("graph") else None

    def load_data(self):
        request = self.request
        image = request["inputShape"]
        x = torch.from_numpy(numpy.fromfile(request["folder"] + "/x", dtype=numpy.float32)).reshape([self.samples] + image)
        if len(image) == 3 and self.layout == "contiguous":
            x = x.permute(0, 3, 1, 2).contiguous()
        self.image = x.shape[1:]
        self.x = x.reshape(self.samples, -1).to(device)
        self.y = torch.from_numpy(numpy.fromfile(request["folder"] + "/y", dtype=numpy.int32).astype(numpy.int64)).to(device)

    def make_network(self):
        network = Network(self.request).to(device)
        return network.to(memory_format=torch.channels_last) if self.layout == "channels_last" else network

    def make_optimizer(self, options):
        # epsilon next to nothing: PyTorch and Weft add it in different places
        return torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=1e-12, **options)

    def set_weights(self):
        set_weights(self.network.parts, self.request)

    def reset(self):
        self.set_weights()
        # in place: a recorded step knows these addresses
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()

    def loss(self, x, y):
        """The loss, and what else is summed up over an epoch."""
        logits = self.network(x)
        return torch.nn.functional.cross_entropy(logits, y), (logits.detach().argmax(1) == y).sum()

    def batch_of(self, index):
        x = self.x.index_select(0, index).view(-1, *self.image)
        if self.layout == "channels_last":
            x = x.permute(0, 3, 1, 2)
        return x, self.y.index_select(0, index)

    def step(self, index):
        x, y = self.batch_of(index)
        self.optimizer.zero_grad(set_to_none=True)
        loss, *others = self.forward(x, y)
        loss.backward()
        self.optimizer.step()
        for i, value in enumerate((loss.detach(), *others)):
            self.totals[i] += value

    def next_step(self):
        """A step that finds its rows by itself, so that it can be replayed."""
        self.step(self.permutation.index_select(0, self.offset + self.range))
        self.offset += self.batch

    def epoch(self, order, steps):
        self.totals.zero_()
        self.permutation.copy_(order)
        self.offset.zero_()
        for i in range(steps):
            if self.graph is not None:
                self.graph()
            else:
                if self.mode == "compile":
                    torch.compiler.cudagraph_mark_step_begin()
                self.step(self.permutation[i * self.batch : (i + 1) * self.batch])
        return self.totals.tolist()[0] / steps

    def sample(self):
        """Mean losses of three epochs of the first four batches, from the initial weights."""
        if self.mode == "compile":
            for _ in range(2):
                self.epoch(torch.arange(self.samples, device=device), 4)
        self.reset()
        return [self.epoch(torch.arange(self.samples, device=device), 4) for _ in range(3)]

    def run(self, seconds):
        steps = self.samples // self.batch
        return timed_for(lambda: self.epoch(torch.randperm(self.samples, device=device), steps), seconds, calls=steps, at_once=1)


def load_training(request):
    layouts = ["contiguous", "channels_last"] if len(request["inputShape"]) == 3 else ["contiguous"]
    best = layouts[-1]
    # "eager" alone is what users write: default layout, default optimizer
    found = {"eager": Trainer(request, "contiguous", "eager", False)}
    if not cuda:
        return found
    found[f"eager {best} fused"] = Trainer(request, best, "eager", True)
    for layout in layouts:
        found[f"graph {layout}"] = Trainer(request, layout, "graph", True)
    if hasattr(torch, "compile"):
        modes = ["compile", "compiled graph"] + (["autotuned graph"] if request.get("autotune") else [])
        for mode in modes:
            torch._dynamo.reset()
            found[f"{mode} {best}"] = Trainer(request, best, mode, True)
    return found


class Latency:
    """One sample as a NumPy array in, the logits as a NumPy array out; `mode`: eager, compile, graph."""

    def __init__(self, request, mode):
        self.mode, self.samples = mode, request["samples"]
        x = numpy.fromfile(request["folder"] + "/x", dtype=numpy.float32).reshape([self.samples] + request["inputShape"])
        if x.ndim == 4:
            x = numpy.ascontiguousarray(x.transpose(0, 3, 1, 2))
        self.x = x
        self.network = Network(request).to(device)
        set_weights(self.network.parts, request)
        self.forward = torch.compile(self.network, mode="reduce-overhead") if mode == "compile" else self.network
        if mode == "graph":
            self.given = torch.empty(x[:1].shape).pin_memory()
            self.result = torch.empty(1, request["layers"][-1]["units"]).pin_memory()
            self.held = torch.empty(x[:1].shape, device=device)
            self.logits = torch.empty(self.result.shape, device=device)
            with torch.inference_mode():
                self.replay = recorded(lambda: self.logits.copy_(self.network(self.held)))

    def one(self, i):
        row = self.x[i % self.samples : i % self.samples + 1]
        if self.mode == "graph":
            self.given.numpy()[:] = row
            self.held.copy_(self.given, non_blocking=True)
            self.replay()
            self.result.copy_(self.logits, non_blocking=True)
            synchronize()
            return self.result.numpy()[0]
        return self.forward(torch.from_numpy(row).to(device)).cpu().numpy()[0]

    def sample(self):
        with torch.inference_mode():
            for i in range(4):
                self.one(i)
            return self.one(0).tolist()

    def run(self, seconds):
        each = []

        def one():
            before = time.perf_counter()
            self.one(len(each))
            each.append((time.perf_counter() - before) * 1e6)

        with torch.inference_mode():
            figures = timed_for(one, seconds, at_once=1)
        return {**figures, "p99": sorted(each)[min(len(each) - 1, int(0.99 * len(each)))]}


def load_latency(request):
    modes = ["eager"] + (["graph"] + (["compile"] if hasattr(torch, "compile") else []) if cuda else [])
    return {mode: Latency(request, mode) for mode in modes}
