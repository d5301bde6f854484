# PyTorch's side of recurrent.mjs: one recurrent layer forward and backward, and training steps of a classifier,
# answered as JSON lines.
import numpy
import torch
from side import answer, timed
from torch_side import use_threads

use_threads()

layers = {}
trained = {}


def floats(folder, name, shape):
    return torch.from_numpy(numpy.fromfile(folder + "/" + name, dtype=numpy.float32).reshape(shape))


def set_weights(module, kernel, recurrent, bias):
    """Kernels come as Keras keeps them, [in, gates * units], gates i, f, c, o; a bias of one row is the input's."""
    with torch.no_grad():
        module.weight_ih_l0.copy_(kernel.T)
        module.weight_hh_l0.copy_(recurrent.T)
        rows = bias.reshape(-1, module.bias_ih_l0.shape[0])
        module.bias_ih_l0.copy_(rows[0])
        module.bias_hh_l0.copy_(rows[1] if len(rows) > 1 else torch.zeros_like(rows[0]))


def swapped(kernel, units):
    """Keras orders a GRU's gates z, r, h; PyTorch r, z, n."""
    z, r, h = kernel.split(units, dim=-1)
    return torch.cat([r, z, h], dim=-1)


def layer(request):
    name, folder, units = request["name"], request["folder"], request["units"]
    batch, steps, features = request["batch"], request["steps"], request["features"]
    n = request["gates"] * units
    is_gru = request["kind"] == "gru"
    order = (lambda w: swapped(w, units)) if is_gru else (lambda w: w)
    module = (torch.nn.GRU if is_gru else torch.nn.LSTM)(features, units, batch_first=True)
    kernel = floats(folder, name + "-kernel", [features, n])
    recurrent = floats(folder, name + "-recurrent", [units, n])
    bias = floats(folder, name + "-bias", [2, n] if is_gru else [1, n])
    set_weights(module, order(kernel), order(recurrent), order(bias))
    x = floats(folder, name + "-x", [batch, steps, features]).requires_grad_()
    g = floats(folder, name + "-g", [batch, steps, units])

    def both():
        module.zero_grad(set_to_none=True)
        x.grad = None
        sequence, _ = module(x)
        sequence.backward(g)
        return sequence

    layers[name] = both
    sequence = both()
    results = {
        "sequence": sequence.detach(),
        "gradient of x": x.grad,
        "gradient of the kernel": order(module.weight_ih_l0.grad.T),
        "gradient of the recurrent kernel": order(module.weight_hh_l0.grad.T),
    }
    return {"version": torch.__version__, "results": {k: v.reshape(-1)[:2000].tolist() for k, v in results.items()}}


def run(request):
    return timed(layers[request["name"]], request["count"])


class Classifier(torch.nn.Module):
    def __init__(self, request):
        super().__init__()
        folder, units, dimension = request["folder"], request["units"], request["dimension"]
        self.embedding = torch.nn.Embedding(request["vocabulary"], dimension)
        self.lstms = torch.nn.ModuleList([torch.nn.LSTM(inputs, units, batch_first=True) for inputs in (dimension, units)])
        self.out = torch.nn.Linear(units, 1)
        with torch.no_grad():
            self.embedding.weight.copy_(floats(folder, "embedding", self.embedding.weight.shape))
            self.out.weight.copy_(floats(folder, "out", [1, units]))
            self.out.bias.copy_(floats(folder, "out-bias", [1]))
        for i, lstm in enumerate(self.lstms):
            kernel = floats(folder, f"kernel{i}", [(dimension, units)[i], 4 * units])
            set_weights(lstm, kernel, floats(folder, f"recurrent{i}", [units, 4 * units]), floats(folder, f"bias{i}", [1, 4 * units]))
            # Keras has one bias
            lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, ids):
        x = self.embedding(ids)
        x, _ = self.lstms[0](x)
        _, (h, _) = self.lstms[1](x)
        return self.out(h[0])[:, 0]


class Trainer:
    def __init__(self, request, epsilon):
        folder = request["folder"]
        self.x = torch.from_numpy(numpy.fromfile(folder + "/ids", dtype=numpy.int32).astype(numpy.int64)).reshape(request["samples"], -1)
        self.y = torch.from_numpy(numpy.fromfile(folder + "/labels", dtype=numpy.int32).astype(numpy.float32))
        self.network = Classifier(request)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3, eps=epsilon, foreach=True)
        self.criterion = torch.nn.BCEWithLogitsLoss()

    def step(self, index, totals):
        x, y = self.x.index_select(0, index), self.y.index_select(0, index)
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(x)
        loss = self.criterion(logits, y)
        loss.backward()
        self.optimizer.step()
        detached = loss.detach()
        totals[0] += detached
        totals[1] += ((logits.detach() > 0) == (y > 0)).sum()
        return detached


def classifier(request):
    first = Trainer(request, 1e-12)
    totals = torch.zeros(2)
    losses = [first.step(torch.arange(i * 32, i * 32 + 32), totals).item() for i in range(8)]
    trained["trainer"] = Trainer(request, 1e-7)
    return {"version": torch.__version__, "losses": losses}


def train(request):
    trainer, batch = trained["trainer"], request["batch"]
    permutation = torch.randperm(len(trainer.y))
    totals = torch.zeros(2)
    position = [0]

    def step():
        trainer.step(permutation[position[0] : position[0] + batch], totals)
        position[0] += batch

    figures = timed(step, request["count"])
    totals.tolist()
    return figures


answer({"layer": layer, "run": run, "classifier": classifier, "train": train})
