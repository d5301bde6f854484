# Folders of tiny models: weights drawn from a seed, written in the layout of Hugging Face, with what an oracle computes
# beside them.
import json
import math
import os
import struct
import sys

import torch

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '..', 'fixtures')
NAMES = {torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16'}


def write_safetensors(path, tensors):
    header, blobs, at = {'__metadata__': {'format': 'pt'}}, [], 0
    for name, t in tensors.items():
        t = t.detach().contiguous()
        raw = t.view(torch.int16).numpy().tobytes() if t.dtype == torch.bfloat16 else t.numpy().tobytes()
        header[name] = {'dtype': NAMES[t.dtype], 'shape': list(t.shape), 'data_offsets': [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def shard(folder, tensors, parts):
    names = list(tensors)
    size = -(-len(names) // parts)
    weight_map = {}
    for i in range(parts):
        file = f'model-{i + 1:05d}-of-{parts:05d}.safetensors'
        write_safetensors(os.path.join(folder, file), {n: tensors[n] for n in names[i * size:(i + 1) * size]})
        weight_map.update({n: file for n in names[i * size:(i + 1) * size]})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    write_json(os.path.join(folder, 'model.safetensors.index.json'), {'metadata': {'total_size': total}, 'weight_map': weight_map})


def write_json(path, value):
    with open(path, 'w') as file:
        file.write(json.dumps(value) + '\n')


def rounded(t):
    return [float(f'{x:.7g}') for x in t.detach().reshape(-1).tolist()]


class Draw:
    """Weights by name, drawn in order."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors = {}

    def normal(self, name, *shape, std=0.2, mean=0.0):
        t = torch.randn(*shape, generator=self.generator) * std + mean
        self.tensors[name] = t.requires_grad_(True)

    def linear(self, name, inputs, outputs, bias=False, inputs_first=False):
        shape = (inputs, outputs) if inputs_first else (outputs, inputs)
        self.normal(f'{name}.weight', *shape, std=1 / math.sqrt(inputs))
        if bias:
            self.normal(f'{name}.bias', outputs, std=0.1)

    def norm(self, name, width, bias, mean=1.0):
        self.normal(f'{name}.weight', width, std=0.1, mean=mean)
        if bias:
            self.normal(f'{name}.bias', width, std=0.1)

    def ids(self, most, *shape):
        return torch.randint(0, most, shape, generator=self.generator)


class Adam:
    """Adam as in the paper's section 2, last remark: epsilon beside the uncorrected root (Kingma and Ba 2015)."""

    def __init__(self, parameters, rate=1e-3, epsilon=1e-7):
        self.parameters, self.rate, self.epsilon, self.step_count = list(parameters), rate, epsilon, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def step(self, loss):
        grads = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        self.step_count += 1
        t = self.step_count
        rate = self.rate * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
        with torch.no_grad():
            for p, g, m, v in zip(self.parameters, grads, self.m, self.v):
                g = torch.zeros_like(p) if g is None else g
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p.sub_(rate * m / (v.sqrt() + self.epsilon))


def train(parameters, loss_of, steps=20, rate=1e-3):
    optimizer, losses = Adam(parameters, rate), []
    for _ in range(steps):
        loss = loss_of()
        losses.append(loss)
        optimizer.step(loss)
    return [float(x) for x in losses]


def folder_of(name):
    path = os.path.join(FOLDER, name)
    os.makedirs(path, exist_ok=True)
    return path
