# Causal language models written out in PyTorch from their papers: GPT-2 (Radford et al. 2019) and the family of Llama
# (Touvron et al. 2023; Jiang et al. 2023; Yang et al. 2024; Gemma Team 2024). Rotary positions: Su et al. 2021, and for
# longer texts Chen et al. 2023 (linear), Peng et al. 2023 (yarn), Grattafiori et al. 2024 (llama3), Ding et al. 2024
# (longrope).
import math
import os

import torch
import torch.nn.functional as F

from files import Draw, folder_of, rounded, shard, train, write_json, write_safetensors


def tanh_gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def attention(q, k, v, scale, window=None, cap=None):
    """q, k, v [batch, heads, steps, width], of as many heads."""
    steps = q.shape[2]
    scores = q @ k.transpose(-1, -2) * scale
    if cap is not None:
        scores = cap * torch.tanh(scores / cap)
    row, column = torch.arange(steps)[:, None], torch.arange(steps)[None, :]
    hidden = column > row
    if window is not None:
        hidden = hidden | (row - column >= window)
    return torch.softmax(scores.masked_fill(hidden, float('-inf')), -1) @ v


def gpt2(c, w, ids):
    steps, width, heads = ids.shape[1], c['n_embd'], c['n_head']
    x = w['transformer.wte.weight'][ids] + w['transformer.wpe.weight'][:steps]
    norm = lambda x, name: F.layer_norm(x, (width,), w[f'{name}.weight'], w[f'{name}.bias'], c['layer_norm_epsilon'])
    linear = lambda x, name: x @ w[f'{name}.weight'] + w[f'{name}.bias']
    cut = lambda t: t.view(*t.shape[:2], heads, -1).transpose(1, 2)
    for i in range(c['n_layer']):
        p = f'transformer.h.{i}'
        q, k, v = [cut(t) for t in linear(norm(x, f'{p}.ln_1'), f'{p}.attn.c_attn').split(width, -1)]
        y = attention(q, k, v, 1 / math.sqrt(width // heads)).transpose(1, 2).reshape(x.shape)
        x = x + linear(y, f'{p}.attn.c_proj')
        x = x + linear(tanh_gelu(linear(norm(x, f'{p}.ln_2'), f'{p}.mlp.c_fc')), f'{p}.mlp.c_proj')
    return norm(x, 'transformer.ln_f') @ w['transformer.wte.weight'].T


def rates(c, steps, dim, base, scaling):
    """Radians per position of each pair, and the factor of cosines and sines."""
    i = torch.arange(0, dim, 2, dtype=torch.float64)
    inv = base ** (-i / dim)
    s = scaling or {}
    kind = s.get('rope_type', s.get('type', 'default'))
    trained = s.get('original_max_position_embeddings', c['max_position_embeddings'])
    if kind == 'linear':
        return inv / s['factor'], 1.0
    if kind == 'dynamic':
        if steps <= trained:
            return inv, 1.0
        grown = base * (s['factor'] * steps / trained - (s['factor'] - 1)) ** (dim / (dim - 2))
        return grown ** (-i / dim), 1.0
    if kind == 'llama3':
        wave = 2 * math.pi / inv
        low, high = trained / s['low_freq_factor'], trained / s['high_freq_factor']
        smooth = (trained / wave - s['low_freq_factor']) / (s['high_freq_factor'] - s['low_freq_factor'])
        between = (1 - smooth) * inv / s['factor'] + smooth * inv
        return torch.where(wave > low, inv / s['factor'], torch.where(wave < high, inv, between)), 1.0
    if kind == 'yarn':
        turn = lambda n: dim * math.log(trained / (n * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(turn(s.get('beta_fast', 32))), 0), min(math.ceil(turn(s.get('beta_slow', 1))), dim - 1)
        ramp = ((torch.arange(dim // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
        return inv / s['factor'] * ramp + inv * (1 - ramp), s.get('attention_factor', 0.1 * math.log(s['factor']) + 1)
    if kind == 'longrope':
        ext = torch.tensor(s['long_factor'] if steps > trained else s['short_factor'], dtype=torch.float64)
        stretch = c['max_position_embeddings'] / trained
        return inv / ext, math.sqrt(1 + math.log(stretch) / math.log(trained)) if stretch > 1 else 1.0
    return inv, 1.0


def turn(x, inv, factor):
    """x [batch, heads, steps, width]: pairs (i, i + width / 2) turned by their positions."""
    angle = torch.arange(x.shape[2], dtype=torch.float64)[:, None] * inv[None, :]
    cos, sin = [(f(angle) * factor).float() for f in (torch.cos, torch.sin)]
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def windows(c):
    n, kind, size = c['num_hidden_layers'], c['model_type'], c.get('sliding_window')
    if kind == 'mistral':
        return [size] * n
    if kind in ('qwen2', 'qwen3'):
        return [size if c.get('use_sliding_window') and i >= c['max_window_layers'] else None for i in range(n)]
    if kind == 'gemma2':
        return [size if i % 2 == 0 else None for i in range(n)]
    if kind == 'gemma3_text':
        return [size if (i + 1) % c['sliding_window_pattern'] else None for i in range(n)]
    return [None] * n


def llama(c, w, ids):
    gemma = c['model_type'].startswith('gemma')
    heads, shared, dim = c['num_attention_heads'], c['num_key_value_heads'], c['head_dim']
    plus = 1.0 if gemma else 0.0

    def norm(x, name):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + c['rms_norm_eps']) * (plus + w[f'{name}.weight'])

    def linear(x, name):
        y = x @ w[f'{name}.weight'].T
        return y + w[f'{name}.bias'] if f'{name}.bias' in w else y

    act = tanh_gelu if gemma else F.silu
    scale = c.get('query_pre_attn_scalar', dim) ** -0.5
    x = w['model.embed_tokens.weight'][ids] * (math.sqrt(c['hidden_size']) if gemma else 1.0)
    cut = lambda t, n: t.view(*t.shape[:2], n, dim).transpose(1, 2)
    four = f'model.layers.0.pre_feedforward_layernorm.weight' in w
    for i, window in enumerate(windows(c)):
        p = f'model.layers.{i}'
        local = c['model_type'] == 'gemma3_text' and window is not None
        base = c['rope_local_base_freq'] if local else c['rope_theta']
        inv, factor = rates(c, ids.shape[1], dim, base, None if local else c.get('rope_scaling'))
        h = norm(x, f'{p}.input_layernorm')
        q, k, v = [cut(linear(h, f'{p}.self_attn.{n}_proj'), m) for n, m in (('q', heads), ('k', shared), ('v', shared))]
        if f'{p}.self_attn.q_norm.weight' in w:
            q, k = norm(q, f'{p}.self_attn.q_norm'), norm(k, f'{p}.self_attn.k_norm')
        q, k = turn(q, inv, factor), turn(k, inv, factor)
        k, v = [t.repeat_interleave(heads // shared, 1) for t in (k, v)]
        y = attention(q, k, v, scale, window, c.get('attn_logit_softcapping'))
        y = linear(y.transpose(1, 2).reshape(*ids.shape, heads * dim), f'{p}.self_attn.o_proj')
        x = x + (norm(y, f'{p}.post_attention_layernorm') if four else y)
        h = norm(x, f'{p}.pre_feedforward_layernorm' if four else f'{p}.post_attention_layernorm')
        y = linear(act(linear(h, f'{p}.mlp.gate_proj')) * linear(h, f'{p}.mlp.up_proj'), f'{p}.mlp.down_proj')
        x = x + (norm(y, f'{p}.post_feedforward_layernorm') if four else y)
    x = norm(x, 'model.norm')
    logits = x @ w['model.embed_tokens.weight' if c['tie_word_embeddings'] else 'lm_head.weight'].T
    cap = c.get('final_logit_softcapping')
    return cap * torch.tanh(logits / cap) if cap else logits


def greedy(forward, c, w, prompt, count):
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(forward(c, w, torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt):]


def save(name, c, draw, forward, steps, parts=1, dtype=torch.float32, trained=True):
    folder, w = folder_of(name), draw.tensors
    stored = {n: t.detach().clone().to(dtype) for n, t in w.items()}
    w = {n: t.clone().float().requires_grad_(True) for n, t in stored.items()}
    vocabulary = c['vocab_size']
    ids = draw.ids(vocabulary, 2, steps)
    prompts = [draw.ids(vocabulary, n).tolist() for n in (5, 3, 9)]
    logits = forward(c, w, ids)
    expected = {
        'ids': ids.tolist(),
        'logits': rounded(logits),
        'prompts': prompts,
        'greedy': [greedy(forward, c, w, p, 12) for p in prompts],
    }
    if trained:
        expected['losses'] = train(
            w.values(), lambda: F.cross_entropy(forward(c, w, ids[:, :-1]).reshape(-1, vocabulary), ids[:, 1:].reshape(-1)))
    write_json(os.path.join(folder, 'config.json'), c)
    write_json(os.path.join(folder, 'expected.json'), expected)
    if parts > 1:
        shard(folder, stored, parts)
    else:
        write_safetensors(os.path.join(folder, 'model.safetensors'), stored)


def make_gpt2():
    c = {
        'architectures': ['GPT2LMHeadModel'], 'model_type': 'gpt2', 'vocab_size': 40, 'n_positions': 32, 'n_ctx': 32, 'n_embd': 16,
        'n_layer': 2, 'n_head': 4, 'layer_norm_epsilon': 1e-5, 'activation_function': 'gelu_new', 'attn_pdrop': 0.0, 'embd_pdrop': 0.0,
        'resid_pdrop': 0.0, 'initializer_range': 0.02, 'summary_type': 'cls_index', 'bos_token_id': 39, 'eos_token_id': 39,
    }
    d = Draw(1)
    d.normal('transformer.wte.weight', 40, 16)
    d.normal('transformer.wpe.weight', 32, 16)
    for i in range(2):
        p = f'transformer.h.{i}'
        d.norm(f'{p}.ln_1', 16, True)
        d.linear(f'{p}.attn.c_attn', 16, 48, True, True)
        d.linear(f'{p}.attn.c_proj', 16, 16, True, True)
        d.norm(f'{p}.ln_2', 16, True)
        d.linear(f'{p}.mlp.c_fc', 16, 64, True, True)
        d.linear(f'{p}.mlp.c_proj', 64, 16, True, True)
    d.norm('transformer.ln_f', 16, True)
    save('gpt2', c, d, gpt2, 10)


def make_llama(name, seed, steps=10, parts=1, dtype=torch.float32, biases=(), head_norms=False, four=False, trained=True, **changes):
    c = {
        'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'vocab_size': 40, 'hidden_size': 16, 'intermediate_size': 24,
        'num_hidden_layers': 2, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 4, 'hidden_act': 'silu',
        'max_position_embeddings': 32, 'rms_norm_eps': 1e-6, 'rope_theta': 10000.0, 'attention_bias': False, 'attention_dropout': 0.0,
        'tie_word_embeddings': False, 'torch_dtype': 'float32', 'use_cache': True, 'eos_token_id': 39, 'rope_scaling': None,
    }
    c.update(changes)
    d, width, dim = Draw(seed), c['hidden_size'], c['head_dim']
    mean = 0.0 if c['model_type'].startswith('gemma') else 1.0
    heads, shared, inner = c['num_attention_heads'] * dim, c['num_key_value_heads'] * dim, c['intermediate_size']
    d.normal('model.embed_tokens.weight', c['vocab_size'], width)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}'
        d.linear(f'{p}.self_attn.q_proj', width, heads, 'qkv' in biases)
        d.linear(f'{p}.self_attn.k_proj', width, shared, 'qkv' in biases)
        d.linear(f'{p}.self_attn.v_proj', width, shared, 'qkv' in biases)
        d.linear(f'{p}.self_attn.o_proj', heads, width)
        if head_norms:
            d.norm(f'{p}.self_attn.q_norm', dim, False, mean)
            d.norm(f'{p}.self_attn.k_norm', dim, False, mean)
        d.linear(f'{p}.mlp.gate_proj', width, inner)
        d.linear(f'{p}.mlp.up_proj', width, inner)
        d.linear(f'{p}.mlp.down_proj', inner, width)
        for n in ['input', 'post_attention'] + (['pre_feedforward', 'post_feedforward'] if four else []):
            d.norm(f'{p}.{n}_layernorm', width, False, mean)
    d.norm('model.norm', width, False, mean)
    if not c['tie_word_embeddings']:
        d.linear('lm_head', width, c['vocab_size'])
    save(name, c, d, llama, steps, parts, dtype, trained)


if __name__ == '__main__':
    torch.set_num_threads(1)
    make_gpt2()
    make_llama('llama', 2, parts=3)
    make_llama('llama-bfloat16', 3, dtype=torch.bfloat16, torch_dtype='bfloat16')
    one = {'num_hidden_layers': 1, 'trained': False, 'steps': 20, 'head_dim': 8, 'num_attention_heads': 2, 'num_key_value_heads': 1}
    make_llama('rope-linear', 4, **one, rope_scaling={'type': 'linear', 'factor': 4.0})
    make_llama('rope-dynamic', 5, **one, rope_scaling={'rope_type': 'dynamic', 'factor': 2.0}, max_position_embeddings=12)
    make_llama('rope-yarn', 6, **one, rope_scaling={
        'rope_type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 8, 'beta_fast': 1.2, 'beta_slow': 0.05})
    make_llama('rope-llama3', 7, **one, rope_scaling={
        'rope_type': 'llama3', 'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 16})
    make_llama('rope-longrope', 8, **one, rope_scaling={
        'rope_type': 'longrope', 'short_factor': [1.0, 1.1, 1.2, 1.3], 'long_factor': [1.0, 2.0, 3.0, 4.0],
        'original_max_position_embeddings': 12})
    make_llama('mistral', 9, steps=12, architectures=['MistralForCausalLM'], model_type='mistral', sliding_window=5)
    make_llama('qwen2', 10, steps=12, biases=('qkv',), architectures=['Qwen2ForCausalLM'], model_type='qwen2',
               use_sliding_window=True, max_window_layers=1, sliding_window=4, tie_word_embeddings=True)
    make_llama('qwen3', 11, head_norms=True, architectures=['Qwen3ForCausalLM'], model_type='qwen3', head_dim=6)
    gemma = {'hidden_act': 'gelu_pytorch_tanh', 'hidden_activation': 'gelu_pytorch_tanh', 'tie_word_embeddings': True,
             'head_dim': 6}
    make_llama('gemma', 12, **gemma, architectures=['GemmaForCausalLM'], model_type='gemma')
    make_llama('gemma2', 13, steps=12, four=True, **gemma, architectures=['Gemma2ForCausalLM'], model_type='gemma2', sliding_window=4,
               query_pre_attn_scalar=8, attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
    make_llama('gemma3', 14, steps=12, four=True, head_norms=True, **{**gemma, 'num_hidden_layers': 3},
               architectures=['Gemma3ForCausalLM'], model_type='gemma3_text', sliding_window=4, sliding_window_pattern=3,
               rope_local_base_freq=100.0, query_pre_attn_scalar=8)
