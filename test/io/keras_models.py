# Writes test/io/keras/: models in the layout of Keras 3 (.keras: config.json, metadata.json, model.weights.h5), with
# inputs and the outputs that numpy computes for them from the layers' formulas.
# Usage: python3 test/io/keras_models.py   (Debian: python3-h5py, python3-numpy)
import io
import json
import os
import zipfile

import h5py
import numpy as np

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'keras')
random = np.random.RandomState(5)
POLICY = {'module': 'keras', 'class_name': 'DTypePolicy', 'config': {'name': 'float32'}, 'registered_name': None}


def weights(*shape):
    return (random.rand(*shape) * 2 - 1).astype('float32')


def initializer(name):
    return {'module': 'keras.initializers', 'class_name': name, 'config': {} if name in ('Zeros', 'Ones') else {'seed': None}, 'registered_name': None}


def layer(class_name, name, **config):
    return {'module': 'keras.layers', 'class_name': class_name, 'config': {'name': name, 'trainable': True, 'dtype': POLICY, **config}, 'registered_name': None}


def input_layer(name, shape, dtype='float32'):
    return {'module': 'keras.layers', 'class_name': 'InputLayer', 'config': {'batch_shape': [None] + shape, 'dtype': dtype, 'sparse': False, 'ragged': False, 'name': name}, 'registered_name': None}


KERNEL = dict(
    kernel_initializer=initializer('GlorotUniform'), bias_initializer=initializer('Zeros'), kernel_regularizer=None,
    bias_regularizer=None, kernel_constraint=None, bias_constraint=None)


def dense(name, units, activation='linear', use_bias=True):
    return layer('Dense', name, units=units, activation=activation, use_bias=use_bias, **KERNEL)


RECURRENT = dict(
    **KERNEL, activation='tanh', recurrent_activation='sigmoid', use_bias=True,
    recurrent_initializer=initializer('OrthogonalInitializer'),
    recurrent_regularizer=None, activity_regularizer=None, recurrent_constraint=None, dropout=0.0, recurrent_dropout=0.0, seed=None,
    return_state=False, go_backwards=False, stateful=False, unroll=False, zero_output_for_mask=False)


def tensor(name, node=0, index=0, shape=()):
    return {'class_name': '__keras_tensor__', 'config': {'shape': [None] + list(shape), 'dtype': 'float32', 'keras_history': [name, node, index]}}


def call(*args, **kwargs):
    return {'args': list(args), 'kwargs': kwargs}


def sequential(name, layers):
    shape = layers[0]['config'].get('batch_shape')
    return {'module': 'keras', 'class_name': 'Sequential', 'config': {'name': name, 'trainable': True, 'dtype': POLICY, 'layers': layers, 'build_input_shape': shape},
            'registered_name': None, 'build_config': {'input_shape': shape}}


def functional(name, layers, inputs, outputs):
    """layers: pairs of a layer and its calls"""
    described = [{**one, 'name': one['config']['name'], 'inbound_nodes': calls} for one, calls in layers]
    return {'module': 'keras', 'class_name': 'Functional', 'config': {'name': name, 'trainable': True, 'layers': described, 'input_layers': inputs, 'output_layers': outputs},
            'registered_name': 'Functional', 'build_config': {'input_shape': None}}


def save(name, model, groups, inputs, outputs):
    """groups: arrays by the place of their layer in the file"""
    buffer = io.BytesIO()
    with h5py.File(buffer, 'w') as file:
        for place, arrays in groups.items():
            group = file.require_group(place).require_group('vars')
            for i, array in enumerate(arrays):
                group[str(i)] = array
        # layers without weights have groups too
        file.require_group('layers/dropout/seed_generator/vars')['0'] = np.array([1, 2], 'uint32')
        file.require_group('optimizer/vars')['0'] = np.array(7, 'int64')
    with zipfile.ZipFile(os.path.join(OUT, name + '.keras'), 'w') as file:
        def add(part, data):
            info = zipfile.ZipInfo(part, (2024, 1, 1, 0, 0, 0))
            file.writestr(info, data)
        add('metadata.json', json.dumps({'keras_version': '3.5.0', 'date_saved': '2024-01-01@00:00:00'}))
        add('config.json', json.dumps(model))
        add('model.weights.h5', buffer.getvalue())
    listed = lambda arrays: [{'shape': list(a.shape), 'data': [round(float(v), 6) for v in a.ravel()]} for a in arrays]
    with open(os.path.join(OUT, name + '.json'), 'w') as file:
        json.dump({'inputs': listed(inputs), 'outputs': listed(outputs)}, file)
        file.write('\n')


# the formulas

def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


sigmoid = lambda x: 1 / (1 + np.exp(-x))
relu = lambda x: np.maximum(x, 0)


def conv2d(x, kernel, bias, same=False):
    kh, kw = kernel.shape[:2]
    if same:
        top, left = (kh - 1) // 2, (kw - 1) // 2
        x = np.pad(x, ((0, 0), (top, kh - 1 - top), (left, kw - 1 - left), (0, 0)))
    h, w = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    return sum(x[:, i:i + h, j:j + w] @ kernel[i, j] for i in range(kh) for j in range(kw)) + bias


def max_pool(x):
    n, h, w, c = x.shape
    return x[:, :h // 2 * 2, :w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def lstm(x, kernel, recurrent, bias, backwards=False):
    u = recurrent.shape[0]
    h = c = np.zeros((x.shape[0], u))
    out = []
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        z = x[:, t] @ kernel + h @ recurrent + bias
        i, f, g, o = (z[:, k * u:(k + 1) * u] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out, 1)


def gru(x, kernel, recurrent, bias):
    u = recurrent.shape[0]
    h = np.zeros((x.shape[0], u))
    for t in range(x.shape[1]):
        a = x[:, t] @ kernel + bias[0]
        b = h @ recurrent + bias[1]
        z = sigmoid(a[:, :u] + b[:, :u])
        r = sigmoid(a[:, u:2 * u] + b[:, u:2 * u])
        h = z * h + (1 - z) * np.tanh(a[:, 2 * u:] + r * b[:, 2 * u:])
    return h


def simple_rnn(x, kernel, recurrent, bias):
    h = np.zeros((x.shape[0], recurrent.shape[0]))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
    return h


def attention(q, v, wq, bq, wk, bk, wv, bv, wo, bo):
    query = np.einsum('nsd,dhk->nshk', q, wq) + bq
    key = np.einsum('nsd,dhk->nshk', v, wk) + bk
    value = np.einsum('nsd,dhk->nshk', v, wv) + bv
    scores = softmax(np.einsum('nshk,nthk->nhst', query, key) / np.sqrt(wq.shape[2]))
    return np.einsum('nhst,nthk,hkd->nsd', scores, value, wo) + bo


def layer_norm(x, gamma, beta, epsilon=1e-3):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


os.makedirs(OUT, exist_ok=True)

# an image classifier
k, b = weights(3, 3, 2, 4), weights(4)
gamma, beta, mean, variance = weights(4), weights(4), weights(4), abs(weights(4)) + .5
c = weights(3)
x = weights(2, 7, 6, 2)
y = relu(conv2d(x, k, b, same=True))
y = (y - mean) / np.sqrt(variance + .001) * gamma + beta
pooled = max_pool(y)
flat = pooled.reshape(2, -1)
w = weights(flat.shape[1], 3)
out = softmax(flat @ w + c)
CONV = dict(strides=[1, 1], data_format='channels_last', dilation_rate=[1, 1], groups=1, use_bias=True, activity_regularizer=None)
model = sequential('images', [
    input_layer('input_layer', [7, 6, 2]),
    layer('Conv2D', 'conv2d', filters=4, kernel_size=[3, 3], padding='same', activation='relu', **CONV, **KERNEL),
    layer('BatchNormalization', 'batch_normalization', axis=-1, momentum=.99, epsilon=.001, center=True, scale=True,
          beta_initializer=initializer('Zeros'), gamma_initializer=initializer('Ones'), moving_mean_initializer=initializer('Zeros'),
          moving_variance_initializer=initializer('Ones'), beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None, synchronized=False),
    layer('MaxPooling2D', 'max_pooling2d', pool_size=[2, 2], padding='valid', strides=[2, 2], data_format='channels_last'),
    layer('Dropout', 'dropout', rate=.5, seed=None, noise_shape=None),
    layer('Flatten', 'flatten', data_format='channels_last'),
    dense('dense', 3, 'softmax'),
])
save('images', model, {'layers/conv2d': [k, b], 'layers/batch_normalization': [gamma, beta, mean, variance], 'layers/dense': [w, c]}, [x], [out])

# two inputs, a layer that is shared, a model inside, an operation, two outputs
shared, inner1, inner2, last = (weights(4, 5), weights(5)), (weights(5, 3), weights(3)), (weights(3, 2), weights(2)), (weights(5, 1), weights(1))
a, b = weights(3, 4), weights(3, 4)
ha, hb = np.tanh(a @ shared[0] + shared[1]), np.tanh(b @ shared[0] + shared[1])
total = ha + hb
scaled = total * ha
inner = relu(scaled @ inner1[0] + inner1[1]) @ inner2[0] + inner2[1]
head = sigmoid(total @ last[0] + last[1])
model = functional('two', [
    (input_layer('a', [4]), []), (input_layer('b', [4]), []),
    (dense('shared', 5, 'tanh'), [call(tensor('a')), call(tensor('b'))]),
    (layer('Add', 'add'), [call([tensor('shared'), tensor('shared', 1)])]),
    ({'module': 'keras.src.ops.numpy', 'class_name': 'Multiply', 'config': {'name': 'multiply'}, 'registered_name': 'Multiply'}, [call(tensor('add'), tensor('shared'))]),
    (sequential('inner', [input_layer('inner_input', [5]), dense('first', 3, 'relu'), dense('second', 2)]), [call(tensor('multiply'))]),
    (dense('head', 1, 'sigmoid'), [call(tensor('add'))]),
], [['a', 0, 0], ['b', 0, 0]], [['inner', 0, 0], ['head', 0, 0]])
save('two', model, {'layers/dense': shared, 'layers/sequential/layers/dense': inner1, 'layers/sequential/layers/dense_1': inner2, 'layers/dense_1': last}, [a, b], [inner, head])

# sequences: embedding, both directions, GRU, stacked cells
table = weights(11, 4)
f, g = (weights(4, 12), weights(3, 12), weights(12)), (weights(4, 12), weights(3, 12), weights(12))
u = (weights(6, 6), weights(2, 6), weights(2, 6))
ids = np.array([[1, 5, 10, 3, 7], [2, 2, 9, 0, 4]])
e = table[ids]
both = np.concatenate([lstm(e, *f), lstm(e, *g, backwards=True)[:, ::-1]], -1)
state = gru(both, *u)
d = (weights(2, 2), weights(2))
LSTM = dict(units=3, unit_forget_bias=True, **{**RECURRENT, 'return_sequences': True})
cell = lambda name, backwards: layer('LSTM', name, **{**LSTM, 'go_backwards': backwards})
model = sequential('words', [
    input_layer('input_layer', [5], 'int32'),
    layer('Embedding', 'embedding', input_dim=11, output_dim=4, embeddings_initializer=initializer('RandomUniform'), embeddings_regularizer=None,
          activity_regularizer=None, embeddings_constraint=None, mask_zero=False),
    layer('Bidirectional', 'bidirectional', merge_mode='concat', layer=cell('forward_lstm', False), backward_layer=cell('backward_lstm', True)),
    layer('GRU', 'gru', units=2, reset_after=True, **{**RECURRENT, 'return_sequences': False}),
    dense('dense', 2),
])
save('words', model, {
    'layers/embedding': [table], 'layers/bidirectional/forward_layer/cell': f, 'layers/bidirectional/backward_layer/cell': g,
    'layers/gru/cell': u, 'layers/dense': d}, [ids.astype('float32')], [state @ d[0] + d[1]])

# stacked cells of several kinds, whose weights are found in the order of the list
first, second, third = (weights(3, 2), weights(2, 2), weights(2)), (weights(2, 12), weights(3, 12), weights(12)), (weights(3, 2), weights(2, 2), weights(2))
x = weights(2, 4, 3)
h = np.zeros((2, 2)); h2 = np.zeros((2, 3)); c2 = np.zeros((2, 3)); h3 = np.zeros((2, 2))
for t in range(4):
    h = np.tanh(x[:, t] @ first[0] + h @ first[1] + first[2])
    z = h @ second[0] + h2 @ second[1] + second[2]
    i, f2, g2, o = (z[:, n * 3:(n + 1) * 3] for n in range(4))
    c2 = sigmoid(f2) * c2 + sigmoid(i) * np.tanh(g2)
    h2 = sigmoid(o) * np.tanh(c2)
    h3 = np.tanh(h2 @ third[0] + h3 @ third[1] + third[2])
CELL = {key: value for key, value in RECURRENT.items() if key not in ('return_state', 'go_backwards', 'stateful', 'unroll', 'zero_output_for_mask', 'activity_regularizer')}
SIMPLE = {key: value for key, value in CELL.items() if key != 'recurrent_activation'}
model = sequential('stacked', [
    input_layer('input_layer', [4, 3]),
    layer('RNN', 'rnn', return_sequences=False, return_state=False, go_backwards=False, stateful=False, unroll=False, zero_output_for_mask=False,
          cell=layer('StackedRNNCells', 'stacked', cells=[
              layer('SimpleRNNCell', 'one', units=2, **SIMPLE), layer('LSTMCell', 'two', units=3, unit_forget_bias=True, **CELL), layer('SimpleRNNCell', 'three', units=2, **SIMPLE)])),
])
save('stacked', model, {
    'layers/rnn/cell/cells/simple_rnn_cell': first, 'layers/rnn/cell/cells/lstm_cell': second, 'layers/rnn/cell/cells/simple_rnn_cell_1': third}, [x], [h3])

# a transformer's parts
D, H, K = 6, 2, 3
mha = [weights(D, H, K), weights(H, K), weights(D, H, K), weights(H, K), weights(D, H, K), weights(H, K), weights(H, K, D), weights(D)]
g1, b1 = weights(D), weights(D)
x, m = weights(2, 4, D), weights(2, 5, D)
seen = attention(x, m, *mha)
y = layer_norm(x + seen, g1, b1)
model = functional('attention', [
    (input_layer('x', [4, D]), []), (input_layer('m', [5, D]), []),
    (layer('MultiHeadAttention', 'multi_head_attention', num_heads=H, key_dim=K, value_dim=K, dropout=0.0, use_bias=True, output_shape=None, attention_axes=[1],
           flash_attention=None, activity_regularizer=None, seed=None, **KERNEL), [call(tensor('x'), tensor('m'), query_mask=None, value_mask=None)]),
    (layer('Add', 'add'), [call([tensor('x'), tensor('multi_head_attention')])]),
    (layer('LayerNormalization', 'layer_normalization', axis=-1, epsilon=1e-3, center=True, scale=True, rms_scaling=False, beta_initializer=initializer('Zeros'),
           gamma_initializer=initializer('Ones'), beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None), [call(tensor('add'))]),
], [['x', 0, 0], ['m', 0, 0]], [['layer_normalization', 0, 0]])
place = 'layers/multi_head_attention/'
save('attention', model, {
    place + 'query_dense': mha[0:2], place + 'key_dense': mha[2:4], place + 'value_dense': mha[4:6], place + 'output_dense': mha[6:8],
    'layers/layer_normalization': [g1, b1]}, [x, m], [y])
