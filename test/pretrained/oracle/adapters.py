# Adapters of low rank in PEFT's layout beside the models of decoders.py: y += x · Aᵀ · Bᵀ · alpha / r (Hu et al. 2022).
import json
import os
import struct

import torch
import torch.nn.functional as F

from decoders import gpt2, llama
from files import FOLDER, Draw, folder_of, rounded, train, write_json, write_safetensors


def read(folder):
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith('.safetensors'):
            continue
        with open(os.path.join(folder, name), 'rb') as file:
            data = file.read()
        size = struct.unpack('<Q', data[:8])[0]
        for key, entry in json.loads(data[8:8 + size]).items():
            if key != '__metadata__':
                begin, end = [8 + size + at for at in entry['data_offsets']]
                tensors[key] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).view(entry['shape'])
    return tensors


def make(name, base, forward, modules, ends, seed, first):
    w = read(os.path.join(FOLDER, base))
    with open(os.path.join(FOLDER, base, 'config.json')) as file:
        c = json.load(file)
    r, alpha, d = 4, 6, Draw(seed)
    for module in modules:
        shape = w[f'{module}.weight'].shape
        inputs, outputs = shape if first else (shape[1], shape[0])
        d.normal(f'{module}.lora_A.weight', r, inputs, std=0.3)
        d.normal(f'{module}.lora_B.weight', outputs, r, std=0.3)
    a = d.tensors

    def adapted():
        merged = dict(w)
        for module in modules:
            product = a[f'{module}.lora_B.weight'] @ a[f'{module}.lora_A.weight'] * (alpha / r)
            merged[f'{module}.weight'] = w[f'{module}.weight'] + (product.T if first else product)
        return merged

    folder, vocabulary = folder_of(name), c['vocab_size']
    stored = {f'base_model.model.{k}': t.detach().clone() for k, t in a.items()}
    ids = d.ids(vocabulary, 2, 10)
    logits = forward(c, adapted(), ids)
    losses = train(a.values(), lambda: F.cross_entropy(
        forward(c, adapted(), ids[:, :-1]).reshape(-1, vocabulary), ids[:, 1:].reshape(-1)), rate=1e-2)
    write_json(os.path.join(folder, 'adapter_config.json'), {
        'peft_type': 'LORA', 'task_type': 'CAUSAL_LM', 'base_model_name_or_path': base, 'r': r, 'lora_alpha': alpha, 'lora_dropout': 0.0,
        'target_modules': ends, 'bias': 'none', 'fan_in_fan_out': first, 'inference_mode': True, 'modules_to_save': None,
        'init_lora_weights': True, 'use_rslora': False, 'use_dora': False, 'layers_to_transform': None, 'rank_pattern': {},
        'alpha_pattern': {}, 'revision': None})
    write_safetensors(os.path.join(folder, 'adapter_model.safetensors'), stored)
    write_json(os.path.join(folder, 'expected.json'), {'ids': ids.tolist(), 'logits': rounded(logits), 'losses': losses})


if __name__ == '__main__':
    torch.set_num_threads(1)
    make('llama-lora', 'llama', llama, [f'model.layers.{i}.self_attn.{n}_proj' for i in range(2) for n in 'qv'], ['q_proj', 'v_proj'],
         50, False)
    make('gpt2-lora', 'gpt2', gpt2, [f'transformer.h.{i}.attn.c_attn' for i in range(2)], ['c_attn'], 51, True)
