# Recurrence and attention on PyTorch's side, as kernels of peer_kernels.py.
import contextlib
import sys

import torch
from peer_common import cuda, device, pattern
from peer_kernels import Kernel

functional = torch.nn.functional


@contextlib.contextmanager
def tf32():
    """What PyTorch does by default in recurrent layers of float32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


class Layer:
    """An LSTM with its operands in one dtype, time first, which cuDNN needs no copy for."""

    def __init__(self, request, dtype):
        self.dtype, self.rounded = getattr(torch, dtype), request["dtype"]
        units, self.scale = request["units"], request["scale"]
        self.shape = [request["batch"], request["steps"], units]
        self.backward = request["pass"] != "forward"
        self.module = torch.nn.LSTM(units, units).to(device, self.dtype).train(self.backward)
        with torch.no_grad():
            self.module.weight_ih_l0.copy_(self.scaled([units, 4 * units], 2).T)
            self.module.weight_hh_l0.copy_(self.scaled([units, 4 * units], 3).T)
            self.module.bias_ih_l0.copy_(self.scaled([4 * units], 4))
            # Weft has one bias
            self.module.bias_hh_l0.zero_()
        self.weights = [self.module.weight_ih_l0, self.module.weight_hh_l0, self.module.bias_ih_l0]
        self.g = self.time_first(5)

    def time_first(self, seed):
        return self.numbers(pattern(self.shape, seed)).transpose(0, 1).contiguous()

    def scaled(self, shape, seed):
        return self.numbers(pattern(shape, seed) * self.scale)

    def numbers(self, values):
        """The values Weft's side has, whatever they are kept as here."""
        return values.to(getattr(torch, self.rounded)).to(self.dtype)

    def kernel(self, count, context=contextlib.nullcontext):
        operands = [self.time_first(10 + i).requires_grad_(self.backward) for i in range(count)]

        def forward(x):
            with context():
                return [self.module(x)[0]]

        def both(x):
            with torch.enable_grad(), context():
                sequence = self.module(x)[0]
                return [sequence.detach(), *torch.autograd.grad(sequence, [x, *self.weights], self.g)]

        def layout(results):
            names = ["sequence", "gradient of x", "gradient of the kernel", "gradient of the recurrent kernel", "gradient of the bias"]
            # time first, and gates first
            return {name: result.transpose(0, 1) if result.ndim > 1 else result for name, result in zip(names, results)}

        return Kernel(both if self.backward else forward, operands, layout)


def usable(makers):
    """The kernels that do this shape and dtype; the others are left out, with a word about why."""
    found = {}
    for name, make in makers.items():
        try:
            kernel = make()
            kernel.sample()
            found[name] = kernel
        except RuntimeError as error:
            print(f"{name} is left out: {str(error).splitlines()[0]}", file=sys.stderr)
    return found


def lstm(request):
    count, dtype = request["sets"], request["dtype"]
    layer = Layer(request, dtype)
    makers = {f"{dtype} {'graph' if cuda else 'eager'}": lambda: layer.kernel(count)}
    if cuda and dtype == "float32":
        makers["tf32 graph"] = lambda: layer.kernel(count, tf32)
    elif cuda:
        makers["float16 graph"] = lambda: Layer(request, "float16").kernel(count)
    return usable(makers)


def composed(q, k, v, is_causal):
    """Attention as products and softmax, where PyTorch has no function for it."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    if is_causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf"), device=device).triu(1)
    return torch.softmax(scores, -1).to(q.dtype) @ v


def backends():
    """Names and contexts of the kernels that can be asked for."""
    found = {"default": contextlib.nullcontext}
    if cuda and hasattr(torch.nn, "attention"):
        kinds = torch.nn.attention.SDPBackend
        for name, kind in (("flash", "FLASH_ATTENTION"), ("efficient", "EFFICIENT_ATTENTION"), ("cudnn", "CUDNN_ATTENTION")):
            if hasattr(kinds, kind):
                found[name] = lambda kind=getattr(kinds, kind): torch.nn.attention.sdpa_kernel(kind)
    return found


def attention(request):
    batch, queries, keys, heads, features = (request[key] for key in ("batch", "queries", "keys", "heads", "features"))
    backward = request["pass"] != "forward"
    attend = getattr(functional, "scaled_dot_product_attention", composed)
    causal = bool(request["causal"])

    def operand(steps, seed, scale, heads_first):
        x = (pattern([batch, steps, heads, features], seed) * scale).to(getattr(torch, request["dtype"]))
        return x.transpose(1, 2).contiguous().transpose(1, 2) if heads_first else x

    def kernel(context, heads_first=False):
        g = operand(queries, 5, 1, heads_first)
        extents = ((queries, 10, 4), (keys, 30, 1), (keys, 50, 1))
        operands = [
            [operand(steps, seed + i, scale, heads_first).requires_grad_(backward) for steps, seed, scale in extents]
            for i in range(request["sets"])
        ]

        def forward(given):
            with context():
                q, k, v = (x.transpose(1, 2) for x in given)
                return [attend(q, k, v, is_causal=causal).transpose(1, 2)]

        def both(given):
            with torch.enable_grad():
                (y,) = forward(given)
            return [y.detach(), *torch.autograd.grad(y, given, g)]

        names = ["values", "gradient of queries", "gradient of keys", "gradient of values"]
        return Kernel(both if backward else forward, operands, lambda results: dict(zip(names, results)))

    makers = {name: lambda context=context: kernel(context) for name, context in backends().items()}
    # the layout other code has, in case that is faster
    makers["default, heads first"] = lambda: kernel(contextlib.nullcontext, True)
    return usable(makers)


def load(request):
    return {"lstm": lstm, "attention": attention}[request["kind"]](request)
