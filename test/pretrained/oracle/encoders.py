# Text encoders and a vision transformer written out in PyTorch from their papers: BERT (Devlin et al. 2019), RoBERTa
# (Liu et al. 2019), DistilBERT (Sanh et al. 2019), Sentence-BERT (Reimers and Gurevych 2019), ViT (Dosovitskiy et al.
# 2021).
import math
import os

import torch
import torch.nn.functional as F

from files import Draw, folder_of, rounded, train, write_json, write_safetensors

WIDTH, HEADS, LAYERS, INNER, WORDS, PLACES = 16, 4, 2, 24, 40, 24


def linear(w, x, name):
    return x @ w[f'{name}.weight'].T + w[f'{name}.bias']


def norm(w, x, name, epsilon):
    return F.layer_norm(x, x.shape[-1:], w[f'{name}.weight'], w[f'{name}.bias'], epsilon)


def attend(w, x, names, mask=None):
    cut = lambda t: t.view(*t.shape[:2], HEADS, -1).transpose(1, 2)
    q, k, v = [cut(linear(w, x, n)) for n in names]
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None, :], float('-inf'))
    return (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(x.shape)


BERT = {'q': 'attention.self.query', 'k': 'attention.self.key', 'v': 'attention.self.value', 'o': 'attention.output.dense',
        'n1': 'attention.output.LayerNorm', 'f1': 'intermediate.dense', 'f2': 'output.dense', 'n2': 'output.LayerNorm',
        'block': 'encoder.layer'}
DISTIL = {'q': 'attention.q_lin', 'k': 'attention.k_lin', 'v': 'attention.v_lin', 'o': 'attention.out_lin', 'n1': 'sa_layer_norm',
          'f1': 'ffn.lin1', 'f2': 'ffn.lin2', 'n2': 'output_layer_norm', 'block': 'transformer.layer'}


def hidden(c, w, ids, segments, mask):
    kind = c['model_type']
    p, n = f'{kind}.', DISTIL if kind == 'distilbert' else BERT
    epsilon = 1e-12 if kind == 'distilbert' else c['layer_norm_eps']
    if kind == 'roberta':
        text = (ids != 1).long()
        places = torch.cumsum(text, 1) * text + 1
    else:
        places = torch.arange(ids.shape[1])[None, :].expand_as(ids)
    x = w[f'{p}embeddings.word_embeddings.weight'][ids] + w[f'{p}embeddings.position_embeddings.weight'][places]
    if kind != 'distilbert':
        x = x + w[f'{p}embeddings.token_type_embeddings.weight'][segments]
    x = norm(w, x, f'{p}embeddings.LayerNorm', epsilon)
    for i in range(LAYERS):
        m = lambda name: f'{p}{n["block"]}.{i}.{n[name]}'
        y = linear(w, attend(w, x, [m('q'), m('k'), m('v')], mask), m('o'))
        x = norm(w, x + y, m('n1'), epsilon)
        x = norm(w, x + linear(w, F.gelu(linear(w, x, m('f1'))), m('f2')), m('n2'), epsilon)
    return x


def output(c, w, task, ids, segments, mask):
    kind = c['model_type']
    h = hidden(c, w, ids, segments, mask)
    if task == 'tokens':
        return linear(w, h, 'classifier')
    if task == 'encoder':
        return h
    if task == 'sentence':
        flags = mask[:, :, None].float()
        return F.normalize((h * flags).sum(1) / flags.sum(1), dim=1)
    if task == 'masked':
        names = {'bert': ('cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions'),
                 'roberta': ('lm_head.dense', 'lm_head.layer_norm', 'lm_head'),
                 'distilbert': ('vocab_transform', 'vocab_layer_norm', 'vocab_projector')}[kind]
        h = norm(w, F.gelu(linear(w, h, names[0])), names[1], 1e-12 if kind == 'distilbert' else c['layer_norm_eps'])
        return h @ w[f'{kind}.embeddings.word_embeddings.weight'].T + w[f'{names[2]}.bias']
    first = h[:, 0]
    if kind == 'bert':
        return linear(w, torch.tanh(linear(w, first, 'bert.pooler.dense')), 'classifier')
    if kind == 'roberta':
        return linear(w, torch.tanh(linear(w, first, 'classifier.dense')), 'classifier.out_proj')
    return linear(w, torch.relu(linear(w, first, 'pre_classifier')), 'classifier')


def make(name, kind, task, seed, labels=3):
    ends = {'tokens': 'ForTokenClassification', 'classes': 'ForSequenceClassification', 'masked': 'ForMaskedLM', 'encoder': 'Model',
            'sentence': 'Model'}
    title = {'bert': 'Bert', 'roberta': 'Roberta', 'distilbert': 'DistilBert'}[kind]
    pad = 1 if kind == 'roberta' else 0
    c = {'architectures': [title + ends[task]], 'model_type': kind, 'vocab_size': WORDS, 'max_position_embeddings': PLACES,
         'pad_token_id': pad, 'initializer_range': 0.02, 'transformers_version': '4.40.0'}
    if task in ('tokens', 'classes'):
        c['id2label'] = {str(i): f'LABEL_{i}' for i in range(labels)}
    if kind == 'distilbert':
        c.update(dim=WIDTH, n_heads=HEADS, n_layers=LAYERS, hidden_dim=INNER, activation='gelu', dropout=0.0, attention_dropout=0.0,
                 seq_classif_dropout=0.0, qa_dropout=0.1, sinusoidal_pos_embds=False, tie_weights_=True)
    else:
        c.update(hidden_size=WIDTH, num_attention_heads=HEADS, num_hidden_layers=LAYERS, intermediate_size=INNER, hidden_act='gelu',
                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, type_vocab_size=2 if kind == 'bert' else 1,
                 layer_norm_eps=1e-12 if kind == 'bert' else 1e-5, position_embedding_type='absolute', use_cache=True)
    d, p, n = Draw(seed), f'{kind}.', DISTIL if kind == 'distilbert' else BERT
    d.normal(f'{p}embeddings.word_embeddings.weight', WORDS, WIDTH)
    d.normal(f'{p}embeddings.position_embeddings.weight', PLACES, WIDTH)
    if kind != 'distilbert':
        d.normal(f'{p}embeddings.token_type_embeddings.weight', c['type_vocab_size'], WIDTH)
    d.norm(f'{p}embeddings.LayerNorm', WIDTH, True)
    for i in range(LAYERS):
        m = lambda name: f'{p}{n["block"]}.{i}.{n[name]}'
        for part in ('q', 'k', 'v', 'o'):
            d.linear(m(part), WIDTH, WIDTH, True)
        d.norm(m('n1'), WIDTH, True)
        d.linear(m('f1'), WIDTH, INNER, True)
        d.linear(m('f2'), INNER, WIDTH, True)
        d.norm(m('n2'), WIDTH, True)
    if task == 'tokens' or (task == 'classes' and kind != 'roberta'):
        d.linear('classifier', WIDTH, labels, True)
    if kind == 'bert' and task in ('classes', 'encoder', 'sentence'):
        d.linear('bert.pooler.dense', WIDTH, WIDTH, True)
    if kind == 'distilbert' and task == 'classes':
        d.linear('pre_classifier', WIDTH, WIDTH, True)
    if kind == 'roberta' and task == 'classes':
        d.linear('classifier.dense', WIDTH, WIDTH, True)
        d.linear('classifier.out_proj', WIDTH, labels, True)
    if task == 'masked':
        names = {'bert': ('cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions'),
                 'roberta': ('lm_head.dense', 'lm_head.layer_norm', 'lm_head'),
                 'distilbert': ('vocab_transform', 'vocab_layer_norm', 'vocab_projector')}[kind]
        d.linear(names[0], WIDTH, WIDTH, True)
        d.norm(names[1], WIDTH, True)
        d.normal(f'{names[2]}.bias', WORDS)
    folder, w = folder_of(name), d.tensors
    stored = {k: t.detach().clone() for k, t in w.items()}
    if task in ('encoder', 'sentence'):
        # models without a head are stored without the family's name in front
        stored = {k[len(p):]: t for k, t in stored.items()}
    ids = d.ids(WORDS - 2, 3, 8) + 2
    mask = torch.ones(3, 8, dtype=torch.bool)
    for row, count in ((1, 5), (2, 2)):
        ids[row, count:] = pad
        mask[row, count:] = False
    segments = torch.zeros_like(ids)
    if kind == 'bert':
        segments[:, 4:] = 1
    result = output(c, w, task, ids, segments, mask)
    expected = {'ids': ids.tolist(), 'segments': segments.tolist(), 'mask': mask.long().tolist(), 'output': rounded(result)}
    if task in ('classes', 'tokens', 'masked'):
        # of texts without padding, which the mean of a loss here leaves out
        most = {'classes': labels, 'tokens': labels, 'masked': WORDS}[task]
        whole = torch.ones_like(mask)
        filled = d.ids(WORDS - 2, 3, 8) + 2
        y = d.ids(most, 3) if task == 'classes' else d.ids(most, 3, 8)
        expected.update(whole=filled.tolist(), y=y.tolist())
        expected['losses'] = train(w.values(), lambda: F.cross_entropy(
            output(c, w, task, filled, segments, whole).reshape(-1, most), y.reshape(-1)))
    write_json(os.path.join(folder, 'config.json'), c)
    write_json(os.path.join(folder, 'expected.json'), expected)
    write_safetensors(os.path.join(folder, 'model.safetensors'), stored)
    if task == 'sentence':
        os.makedirs(os.path.join(folder, '1_Pooling'), exist_ok=True)
        write_json(os.path.join(folder, '1_Pooling', 'config.json'), {
            'word_embedding_dimension': WIDTH, 'pooling_mode_cls_token': False, 'pooling_mode_mean_tokens': True,
            'pooling_mode_max_tokens': False, 'pooling_mode_mean_sqrt_len_tokens': False})
        write_json(os.path.join(folder, 'modules.json'), [
            {'idx': 0, 'name': '0', 'path': '', 'type': 'sentence_transformers.models.Transformer'},
            {'idx': 1, 'name': '1', 'path': '1_Pooling', 'type': 'sentence_transformers.models.Pooling'},
            {'idx': 2, 'name': '2', 'path': '2_Normalize', 'type': 'sentence_transformers.models.Normalize'}])


def vit(c, w, images):
    """images [batch, channels, height, width]"""
    x = F.conv2d(images, w['vit.embeddings.patch_embeddings.projection.weight'], w['vit.embeddings.patch_embeddings.projection.bias'],
                 stride=c['patch_size']).flatten(2).transpose(1, 2)
    x = torch.cat([w['vit.embeddings.cls_token'].expand(x.shape[0], -1, -1), x], 1) + w['vit.embeddings.position_embeddings']
    for i in range(LAYERS):
        p = f'vit.encoder.layer.{i}'
        names = [f'{p}.attention.attention.{n}' for n in ('query', 'key', 'value')]
        y = attend(w, norm(w, x, f'{p}.layernorm_before', c['layer_norm_eps']), names)
        x = x + linear(w, y, f'{p}.attention.output.dense')
        y = F.gelu(linear(w, norm(w, x, f'{p}.layernorm_after', c['layer_norm_eps']), f'{p}.intermediate.dense'))
        x = x + linear(w, y, f'{p}.output.dense')
    return linear(w, norm(w, x, 'vit.layernorm', c['layer_norm_eps'])[:, 0], 'classifier')


def make_vit():
    c = {'architectures': ['ViTForImageClassification'], 'model_type': 'vit', 'hidden_size': WIDTH, 'num_attention_heads': HEADS,
         'num_hidden_layers': LAYERS, 'intermediate_size': INNER, 'image_size': 8, 'patch_size': 4, 'num_channels': 3, 'qkv_bias': True,
         'hidden_act': 'gelu', 'hidden_dropout_prob': 0.0, 'attention_probs_dropout_prob': 0.0, 'layer_norm_eps': 1e-12,
         'encoder_stride': 16, 'id2label': {str(i): f'LABEL_{i}' for i in range(3)}}
    d = Draw(40)
    d.normal('vit.embeddings.cls_token', 1, 1, WIDTH)
    d.normal('vit.embeddings.position_embeddings', 1, 5, WIDTH)
    d.normal('vit.embeddings.patch_embeddings.projection.weight', WIDTH, 3, 4, 4)
    d.normal('vit.embeddings.patch_embeddings.projection.bias', WIDTH)
    for i in range(LAYERS):
        p = f'vit.encoder.layer.{i}'
        for n in ('query', 'key', 'value'):
            d.linear(f'{p}.attention.attention.{n}', WIDTH, WIDTH, True)
        d.linear(f'{p}.attention.output.dense', WIDTH, WIDTH, True)
        d.norm(f'{p}.layernorm_before', WIDTH, True)
        d.norm(f'{p}.layernorm_after', WIDTH, True)
        d.linear(f'{p}.intermediate.dense', WIDTH, INNER, True)
        d.linear(f'{p}.output.dense', INNER, WIDTH, True)
    d.norm('vit.layernorm', WIDTH, True)
    d.linear('classifier', WIDTH, 3, True)
    folder, w = folder_of('vit'), d.tensors
    stored = {k: t.detach().clone() for k, t in w.items()}
    images, y = torch.randn(3, 3, 8, 8, generator=d.generator), d.ids(3, 3)
    result = vit(c, w, images)
    losses = train(w.values(), lambda: F.cross_entropy(vit(c, w, images), y))
    write_json(os.path.join(folder, 'config.json'), c)
    write_json(os.path.join(folder, 'expected.json'), {
        'images': rounded(images.permute(0, 2, 3, 1)), 'y': y.tolist(), 'output': rounded(result), 'losses': losses})
    write_safetensors(os.path.join(folder, 'model.safetensors'), stored)


if __name__ == '__main__':
    torch.set_num_threads(1)
    make('bert-classes', 'bert', 'classes', 20)
    make('bert-tokens', 'bert', 'tokens', 21)
    make('bert-masked', 'bert', 'masked', 22)
    make('bert-encoder', 'bert', 'encoder', 23)
    make('sentence', 'bert', 'sentence', 24)
    make('roberta-classes', 'roberta', 'classes', 25)
    make('roberta-masked', 'roberta', 'masked', 26)
    make('distilbert-classes', 'distilbert', 'classes', 27)
    make('distilbert-masked', 'distilbert', 'masked', 28)
    make_vit()
