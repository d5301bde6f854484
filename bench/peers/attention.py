# PyTorch's side of attention.mjs: training steps of the same small GPT, and attention alone, answered as JSON lines.
import numpy
import torch
from side import answer, start_clocks, timed_for
from torch_side import use_threads
from torch.nn import functional

use_threads()


def attention(variant, q, k, v, mask):
    """q, k, v [b, h, t, d]; mask added to the scores, or None."""
    if variant == "sdp":
        return functional._scaled_dot_product_attention(q, k, v, mask, 0.0, False)[0]
    b, h, tq, d = q.shape
    q, k, v = (x.reshape(b * h, -1, d) for x in (q, k, v))
    bias = torch.zeros(1, 1, 1) if mask is None else mask
    scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=d**-0.5)
    return torch.bmm(torch.softmax(scores, -1), v).view(b, h, tq, d)


def future(queries, keys):
    return torch.full((queries, keys), float("-inf")).triu(keys - queries + 1)


class Block(torch.nn.Module):
    def __init__(self, width, inner, heads, variant):
        super().__init__()
        self.heads, self.variant = heads, variant
        self.first = torch.nn.LayerNorm(width, eps=1e-5)
        self.second = torch.nn.LayerNorm(width, eps=1e-5)
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, width)
        self.up = torch.nn.Linear(width, inner)
        self.down = torch.nn.Linear(inner, width)

    def forward(self, x, mask):
        b, t, width = x.shape
        qkv = self.qkv(self.first(x)).view(b, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = attention(self.variant, *qkv.unbind(0), mask)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
        return x + self.down(functional.gelu(self.up(self.second(x))))


class Network(torch.nn.Module):
    def __init__(self, request, variant):
        super().__init__()
        width = request["width"]
        self.tokens = torch.nn.Embedding(request["vocabulary"], width)
        self.positions = torch.nn.Parameter(torch.zeros(request["time"], width))
        self.blocks = torch.nn.ModuleList(
            Block(width, request["inner"], request["heads"], variant) for _ in range(request["blocks"])
        )
        self.last = torch.nn.LayerNorm(width, eps=1e-5)
        self.head = torch.nn.Linear(width, request["vocabulary"])
        self.register_buffer("mask", future(request["time"], request["time"]))

    def forward(self, ids):
        x = self.tokens(ids) + self.positions
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.last(x))


def set_weights(network, request):
    values = numpy.fromfile(request["folder"] + "/weights", dtype=numpy.float32)
    offset, arrays = 0, {}
    for weight in request["weights"]:
        count = int(numpy.prod(weight["shape"]))
        arrays[weight["name"]] = torch.from_numpy(values[offset : offset + count].reshape(weight["shape"]).copy())
        offset += count

    def linear(part, *names):
        part.weight.copy_(torch.cat([arrays[name + ".kernel"] for name in names], 1).T)
        part.bias.copy_(torch.cat([arrays[name + ".bias"] for name in names]))

    def norm(part, name):
        part.weight.copy_(arrays[name + ".gamma"])
        part.bias.copy_(arrays[name + ".beta"])

    with torch.no_grad():
        network.tokens.weight.copy_(arrays["tokens"])
        network.positions.copy_(arrays["positions"])
        for i, block in enumerate(network.blocks):
            linear(block.qkv, f"{i}.query", f"{i}.key", f"{i}.value")
            for name in ("out", "up", "down"):
                linear(getattr(block, name), f"{i}.{name}")
            norm(block.first, f"{i}.first")
            norm(block.second, f"{i}.second")
        norm(network.last, "last")
        linear(network.head, "head")


class Trainer:
    def __init__(self, request, variant, epsilon=1e-7):
        kind, *rest = variant.split()
        self.batch, self.time = request["batch"], request["time"]
        self.network = Network(request, kind)
        set_weights(self.network, request)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=epsilon, foreach="foreach" in rest)
        ids = numpy.fromfile(request["folder"] + "/ids", dtype=numpy.float32).astype(numpy.int64)
        self.ids = torch.from_numpy(ids.reshape(-1, self.time + 1))

    def step(self, i):
        rows = torch.arange(i * self.batch, (i + 1) * self.batch) % len(self.ids)
        part = self.ids.index_select(0, rows)
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(part[:, :-1])
        loss = functional.cross_entropy(logits.view(-1, logits.shape[-1]), part[:, 1:].reshape(-1))
        loss.backward()
        self.optimizer.step()
        return loss.detach()


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
