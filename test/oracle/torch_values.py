"""Writes torch_values.json: what PyTorch and scikit-learn compute for the rows that tests compare with.

/usr/bin/python3 test/oracle/torch_values.py   (PyTorch 1.13, scikit-learn 1.2.1)

Inputs are not kept: value i of input k is sin(0.7 i + k), here and in test/oracle/torch_values.ts.
"""

import json
import math
import os

import numpy as np
import torch
from sklearn import metrics

torch.set_default_dtype(torch.float64)


def wave(shape, k=0):
    n = math.prod(shape)
    return torch.tensor([math.sin(0.7 * i + k) for i in range(n)]).reshape(shape)


def flat(t):
    return [float(f"{v:.12g}") for v in np.asarray(t, dtype=float).reshape(-1)]


def einsum():
    cases = [
        ("ij,jk->ik", [[2, 3], [3, 4]]),
        ("ij,jk", [[2, 3], [3, 4]]),
        ("ba,cb", [[2, 3], [4, 2]]),
        ("bhqd,bhkd->bhqk", [[2, 2, 3, 4], [2, 2, 5, 4]]),
        ("...ij,...jk->...ik", [[2, 1, 2, 3], [4, 3, 2]]),
        ("...i->...", [[2, 3]]),
        ("ii", [[3, 3]]),
        ("ii->i", [[3, 3]]),
        ("iij->ji", [[2, 2, 3]]),
        ("i,j", [[2], [3]]),
        ("i,i", [[4], [4]]),
        ("bn,anm,bm->ba", [[2, 3], [4, 3, 5], [2, 5]]),
        ("ij->ji", [[2, 3]]),
        ("ij->", [[2, 3]]),
        ("ijk,ik->ji", [[2, 3, 4], [2, 4]]),
        ("ab,cd,ab->d", [[2, 3], [2, 2], [2, 3]]),
    ]
    rows = []
    for equation, shapes in cases:
        y = torch.einsum(equation, *[wave(s, k) for k, s in enumerate(shapes)])
        rows.append({"equation": equation, "shapes": shapes, "shape": list(y.shape), "values": flat(y)})
    return rows


def resize():
    rows = []
    for shape, size in [([1, 3, 4, 2], [5, 6]), ([2, 5, 3, 1], [2, 7]), ([1, 4, 4, 1], [1, 1])]:
        for name, mode, corners in [("nearest", "nearest-exact", None), ("bilinear", "bilinear", False), ("bilinear", "bilinear", True)]:
            x = wave(shape).permute(0, 3, 1, 2)
            y = torch.nn.functional.interpolate(x, size=size, mode=mode, align_corners=corners).permute(0, 2, 3, 1)
            rows.append({"shape": shape, "size": size, "interpolation": name, "alignCorners": bool(corners), "values": flat(y)})
    return rows


def ctc():
    """Losses and gradients of their sum; lengths: steps that count, labels that count. Labels are padded with -1."""
    rows = []
    cases = [
        (6, 4, [[1, 2, 1], [3, 3, -1], [2, -1, -1]], [6, 5, 4]),
        (5, 3, [[1, 1, 2], [1, -1, -1]], [5, 5]),
        (4, 3, [[1, 2, 1, 2]], [4]),
        (3, 3, [[-1, -1], [2, 2]], [3, 3]),
        (2, 3, [[1, 1]], [2]),
    ]
    for steps, classes, labels, lengths in cases:
        n = len(labels)
        logits = (wave([n, steps, classes]) * 2).requires_grad_()
        counts = [sum(v >= 0 for v in row) for row in labels]
        targets = torch.tensor([[max(v, 0) for v in row] for row in labels])
        logs = logits.log_softmax(-1).permute(1, 0, 2)
        each = torch.nn.functional.ctc_loss(
            logs, targets, torch.tensor(lengths), torch.tensor(counts), blank=0, reduction="none", zero_infinity=False
        )
        finite = torch.isfinite(each)
        each[finite].sum().backward()
        rows.append(
            {
                "steps": steps,
                "classes": classes,
                "labels": labels,
                "lengths": lengths,
                "losses": [v if math.isfinite(v) else None for v in flat(each.detach())],
                "gradient": flat(logits.grad) if bool(finite.all()) else None,
            }
        )
    return rows


def figures():
    y, p = wave([40]).abs().numpy() + 0.1, wave([40], 2).abs().numpy() + 0.1
    return {
        "meanAbsolutePercentageError": 100 * metrics.mean_absolute_percentage_error(y, p),
        "meanSquaredLogarithmicError": metrics.mean_squared_log_error(y, p),
    }


def curves():
    """Of 60 scores: the best precision where recall reaches a level, and the reverse, over the thresholds there are."""
    p = np.array([(i * 0.618034) % 1 for i in range(60)])
    y = np.array([int((i * 7919) % 13 + 8 * p[i] > 10) for i in range(60)])
    precision, recall, _ = metrics.precision_recall_curve(y, p)
    levels = [0.3, 0.5, 0.8, 0.95]
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    return {
        "labels": y.tolist(),
        "levels": levels,
        "precisionAtRecall": [float(max(precision[:-1][recall[:-1] >= level])) for level in levels],
        "recallAtPrecision": [float(max(recall[:-1][precision[:-1] >= level], default=0)) for level in levels],
        "sensitivityAtSpecificity": [float(max(tpr[1 - fpr >= level])) for level in levels],
    }


def convolutions():
    rows = []
    for stride, padding, extra in [(1, 0, 0), (2, 0, 0), (3, 0, 0)]:
        x, k = wave([2, 5, 3]), wave([4, 2, 3], 1)  # [batch, steps, channels], [size, filters, channels]
        y = torch.nn.functional.conv_transpose1d(x.permute(0, 2, 1), k.permute(2, 1, 0), stride=stride, padding=padding, output_padding=extra)
        rows.append({"strides": stride, "shape": [2, y.shape[2], 2], "values": flat(y.permute(0, 2, 1))})
    return rows


def gelu():
    return flat(torch.nn.functional.gelu(wave([12]) * 3, approximate="tanh"))


def focal():
    """The formula of Lin et al. 2017 with torch's cross-entropies."""
    logits, y = wave([10]) * 3, (wave([10], 1) > 0).double()
    p = torch.sigmoid(logits)
    right = y * p + (1 - y) * (1 - p)
    cross = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    weight = 0.25 * y + 0.75 * (1 - y)
    rows, classes = wave([6, 4]) * 3, torch.arange(6) % 4
    q = rows.softmax(-1)[torch.arange(6), classes]
    many = torch.nn.functional.cross_entropy(rows, classes, reduction="none")
    return {
        "binary": flat(cross * (1 - right) ** 2),
        "weighted": flat(weight * cross * (1 - right) ** 1.5),
        "categorical": flat(0.25 * many * (1 - q) ** 2),
    }


def optimizers():
    """The formulas of Keras 3 in float64: 12 updates of w and b of test/model/optimizers.test.ts."""
    rate = float(np.float32(0.05))

    def adafactor(state, x, g, t, relative, threshold):
        speed = (min(rate, 1 / math.sqrt(t)) if relative else rate) * max(1e-3, math.sqrt(np.mean(x**2)))
        beta, squares = 1 - t**-0.8, g**2 + 1e-30
        if x.ndim >= 2:
            state["r"] = beta * state.get("r", 0) + (1 - beta) * squares.mean(-1)
            state["c"] = beta * state.get("c", 0) + (1 - beta) * squares.mean(-2)
            v = (state["r"] / state["r"].mean(-1, keepdims=True))[..., None] * state["c"][..., None, :]
        else:
            v = state["v"] = beta * state.get("v", 0) + (1 - beta) * squares
        u = g / np.sqrt(v)
        return x - speed * u / max(1, math.sqrt(np.mean(u**2)) / threshold)

    def muon(state, x, g, t, nesterov, decay):
        x = x * (1 - rate * decay)
        if x.ndim < 2:
            state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
            state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
            speed = 0.1 * rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            return x - speed * state["m"] / (np.sqrt(state["v"]) + 1e-7)
        state["m"] = 0.95 * state.get("m", 0) + g
        m = g + 0.95 * state["m"] if nesterov else state["m"]
        tall = m.shape[0] > m.shape[1]
        y = m.T if tall else m
        y = y / (np.linalg.norm(y) + 1e-7)
        for _ in range(6):
            a = y @ y.T
            y = 3.4445 * y + (-4.775 * a + 2.0315 * a @ a) @ y
        return x - rate * math.sqrt(max(1, m.shape[0] / m.shape[1])) * (y.T if tall else y)

    def trained(rule, *options):
        w, b = np.array([[0.3, -1.2, 2.5], [0.01, 0.7, -0.4]]), np.array([1.5, -0.5])
        kept = {}, {}
        for t in range(1, 13):
            gw, gb = 2 * (w - 1), (b + 2) ** 3
            w, b = rule(kept[0], w, gw, t, *options), rule(kept[1], b, gb, t, *options)
        return flat(w) + flat(b)

    return {
        "adafactor": trained(adafactor, True, 1),
        "adafactorPlain": trained(adafactor, False, 0.5),
        "muon": trained(muon, True, 0.1),
        "muonPlain": trained(muon, False, 0),
    }


def fft():
    # name, shape of each part, whether there is an imaginary part, options of torch.fft
    cases = [
        ("fft", [2, 6], False, {}),
        ("fft", [3, 8], True, {"norm": "ortho"}),
        ("fft", [64], True, {}),
        ("fft", [131], True, {}),
        ("fft", [4, 5], True, {"dim": 0, "n": 7}),
        ("ifft", [2, 60], True, {}),
        ("ifft", [97], True, {"norm": "forward"}),
        ("ifft", [2, 9], True, {"n": 5}),
        ("rfft", [2, 7], False, {}),
        ("rfft", [2, 3, 8], False, {"dim": 1, "norm": "ortho"}),
        ("irfft", [2, 5], True, {}),
        ("irfft", [2, 4], True, {"n": 7}),
        ("irfft", [3, 4], True, {"n": 12, "norm": "forward"}),
        ("fft2", [2, 3, 4], True, {}),
        ("ifft2", [4, 6], True, {"norm": "ortho"}),
    ]
    rows = []
    for name, shape, pair, options in cases:
        x = torch.complex(wave(shape), wave(shape, 1)) if pair else wave(shape)
        y = getattr(torch.fft, name)(x, **options)
        renamed = {"axis" if key == "dim" else key: value for key, value in options.items()}
        row = {"name": name, "shape": shape, "pair": pair, "options": renamed, "resultShape": list(y.shape)}
        rows.append({**row, "real": flat(y.real), "imaginary": flat(y.imag) if y.is_complex() else None})
    return rows


made = [einsum, resize, ctc, figures, curves, convolutions, gelu, focal, optimizers, fft]
with open(os.path.join(os.path.dirname(__file__), "torch_values.json"), "w") as file:
    file.write("{\n" + ",\n".join(f'"{f.__name__}": {json.dumps(f())}' for f in made) + "\n}\n")
