# Single kernels on PyTorch's side: calls on as many sets of operands as Weft's, recorded as a graph, so that what is
# timed is the kernel.
import torch
from peer_common import cuda, device, labels, pattern, recorded, thinned, timed

functional = torch.nn.functional


class Kernel:
    """`function` of each operand in turn; `layout` brings a result into Weft's, or several into a dictionary of them."""

    def __init__(self, function, operands, layout=lambda result: result):
        self.function, self.operands, self.layout = function, operands, layout
        self.record = None

    def sample(self):
        with torch.no_grad():
            result = self.function(self.operands[0])
            if isinstance(result, list):
                return {name: thinned(part) for name, part in self.layout(result).items()}
        return thinned(self.layout(result[0] if isinstance(result, tuple) else result))

    def run(self, seconds):
        with torch.no_grad():
            if self.record is None:
                self.record = recorded(lambda: [self.function(operand) for operand in self.operands])
            return timed(self.record, len(self.operands), seconds)


class Adam:
    """One update of one large parameter."""

    def __init__(self, request, **options):
        shape = [request["rows"], request["columns"]]
        self.w = torch.nn.Parameter(pattern(shape, 2))
        self.w.grad = pattern(shape, 3)
        self.optimizer = torch.optim.Adam([self.w], lr=1e-3, eps=1e-12, **options)

    def sample(self):
        self.optimizer.step()
        self.optimizer.step()
        return thinned(self.w.detach())

    def run(self, seconds):
        return timed(self.optimizer.step, 1, seconds)


def compiled(function):
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False)


def product(request):
    m, k, n, dtype = (request[key] for key in ("m", "k", "n", "dtype"))
    b = pattern([n, k], 2, dtype).t() if request["transposeB"] else pattern([k, n], 2, dtype)

    def operand(seed):
        return pattern([k, m], seed, dtype).t() if request["transposeA"] else pattern([m, k], seed, dtype)

    operands = [operand(10 + i) for i in range(request["sets"])]
    return {"graph" if cuda else "eager": Kernel(lambda a: torch.mm(a, b), operands)}


def convolution(request):
    batch, side, out, channels, filters = (request[key] for key in ("batch", "side", "out", "channels", "filters"))
    kernel, stride, padding, dtype = (request[key] for key in ("kernel", "stride", "padding", "dtype"))
    forward, data = request["pass"] == "forward", request["pass"] == "data gradient"
    found = {}
    for name, layout in (("channels_last", torch.channels_last), ("contiguous", torch.contiguous_format)):

        def image(shape, seed):
            return pattern(shape, seed, dtype).permute(0, 3, 1, 2).contiguous(memory_format=layout)

        weights = pattern([kernel, kernel, channels, filters], 2, dtype).permute(3, 2, 0, 1).contiguous(memory_format=layout)
        input_shape, output_shape = [batch, side, side, channels], [batch, out, out, filters]
        seeds = [10 + i for i in range(request["sets"])]
        if forward:
            function = lambda x, k=weights: functional.conv2d(x, k, stride=stride, padding=padding)
            operands = [image(input_shape, seed) for seed in seeds]
        else:
            constant = image(input_shape, 0) if data else image(output_shape, 2)
            operands = [image(output_shape if data else input_shape, seed) for seed in seeds]

            def function(operand, k=weights, constant=constant):
                g, x = (operand, constant) if data else (constant, operand)
                steps, mask = [stride, stride], [data, not data, False]
                result = torch.ops.aten.convolution_backward(g, x, k, None, steps, [padding, padding], [1, 1], False, [0, 0], 1, mask)
                return result[0] if data else result[1]

        back = (lambda t: t.permute(0, 2, 3, 1)) if forward or data else (lambda t: t.permute(2, 3, 1, 0))
        found[name] = Kernel(function, operands, back)
    return found


def memory(request):
    op, rows, columns, dtype = (request[key] for key in ("op", "rows", "columns", "dtype"))
    shape = [rows, columns]
    if op == "adam":
        if not cuda:
            return {"eager": Adam(request)}
        return {"fused": Adam(request, fused=True), "foreach": Adam(request, foreach=True)}
    operands = [pattern(shape, 10 + i, dtype) for i in range(request["sets"])]
    simple = {
        "sum of all": lambda x: x.sum(),
        "sum of rows": lambda x: x.sum(1),
        "sum of columns": lambda x: x.sum(0),
        "maximum of all": lambda x: x.max(),
        "mean of all": lambda x: x.mean(),
        "softmax": lambda x: torch.softmax(x, 1),
    }
    if op in simple:
        function = simple[op]
    elif op == "add":
        y = pattern(shape, 2, dtype)
        function = lambda x: x + y
    elif op == "softmaxGrad":
        y = pattern(shape, 2, dtype)
        function = lambda g: torch.ops.aten._softmax_backward_data(g, y, 1, y.dtype)
    elif op == "layerNorm":
        gamma, beta = pattern([columns], 3, dtype), pattern([columns], 4, dtype)
        function = lambda x: functional.layer_norm(x, (columns,), gamma, beta, 1e-3)
    elif op == "layerNormGrad":
        x, gamma, beta = pattern(shape, 2, dtype), pattern([columns], 3, dtype), pattern([columns], 4, dtype)
        _, mean, rstd = torch.native_layer_norm(x, (columns,), gamma, beta, 1e-3)
        function = lambda g: torch.ops.aten.native_layer_norm_backward(g, x, (columns,), mean, rstd, gamma, beta, [True, True, True])
    elif op == "crossEntropy":
        wanted = labels(rows, columns)
        function = lambda x: functional.cross_entropy(x, wanted, reduction="none")
    else:
        # from probabilities to the gradient of the logits
        operands = [torch.softmax(x, 1) for x in operands]
        g, wanted = pattern([rows], 3, dtype)[:, None], labels(rows, columns)[:, None]
        classes = torch.arange(columns, device=device)
        function = lambda p: g * (p - (classes == wanted).to(p.dtype))
    found = {"eager": Kernel(function, operands)}
    if cuda and hasattr(torch, "compile"):
        found["compile"] = Kernel(compiled(function), operands)
    return found


def load(request):
    return {"product": product, "convolution": convolution, "memory": memory}[request["kind"]](request)
