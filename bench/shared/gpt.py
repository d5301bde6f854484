# A decoder like GPT-2 and its training steps, with attention as PyTorch has it and as batched products.
import numpy
import torch
from torch.nn import functional


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
        self.positions = torch.nn.Parameter(torch.zeros(request["positions"], width))
        self.blocks = torch.nn.ModuleList(
            Block(width, request["inner"], request["heads"], variant) for _ in range(request["blocks"])
        )
        self.last = torch.nn.LayerNorm(width, eps=1e-5)
        tied = request.get("tied", False)
        self.head = torch.nn.Linear(width, request["vocabulary"], bias=not tied)
        if tied:
            self.head.weight = self.tokens.weight
        self.register_buffer("mask", future(request["time"], request["time"]))

    def forward(self, ids):
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.last(x))


def set_weights(network, request):
    arrays = {}
    with open(request["folder"] + "/weights") as file:
        for weight in request["weights"]:
            values = numpy.fromfile(file, dtype=numpy.float32, count=int(numpy.prod(weight["shape"])))
            arrays[weight["name"]] = torch.from_numpy(values.reshape(weight["shape"]))

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
        if not request.get("tied", False):
            linear(network.head, "head")


class Trainer:
    def __init__(self, request, variant, epsilon=1e-7):
        kind, *rest = variant.split()
        self.batch, self.time = request["batch"], request["time"]
        self.network = Network(request, kind)
        set_weights(self.network, request)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=epsilon, foreach="foreach" in rest)
        ids = numpy.fromfile(request["folder"] + "/ids", dtype=numpy.int32).astype(numpy.int64)
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
