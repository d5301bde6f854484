# State dicts of PyTorch modules with what the modules compute.
import os

import torch
from torch import nn

from files import folder_of, rounded, write_json, write_safetensors


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True)
        self.gru = nn.GRU(5, 4, batch_first=True, bidirectional=True)
        self.rnn = nn.RNN(8, 3, batch_first=True)
        self.norm = nn.LayerNorm(3)

    def forward(self, ids):
        x = self.gru(self.lstm(self.table(ids))[0])[0]
        return self.norm(self.rnn(x)[0])


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, groups=4))
        self.up = nn.ConvTranspose2d(8, 5, 2, stride=2)
        self.fc = nn.Linear(5 * 8 * 8, 3)

    def forward(self, x):
        return self.fc(self.up(self.features(x)).flatten(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, bias=False)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        h = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.attention(h, h, h)[0]


def save(name, module, x, stored):
    module.eval()
    folder = folder_of(name)
    write_json(os.path.join(folder, 'expected.json'), {'x': rounded(stored) if stored.is_floating_point() else stored.tolist(),
                                                       'shape': list(stored.shape), 'output': rounded(module(x))})
    write_safetensors(os.path.join(folder, 'state.safetensors'), {
        k: t for k, t in module.state_dict().items() if t.is_floating_point()})


if __name__ == '__main__':
    torch.set_num_threads(1)
    torch.manual_seed(1)
    save('state-sequence', Sequence(), *[torch.randint(0, 12, (2, 7))] * 2)
    image = Image()
    image.features[1].running_mean.normal_(0, 0.1)
    image.features[1].running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, 8, 8)
    save('state-image', image, x, x.permute(0, 2, 3, 1))
    x = torch.randn(2, 6, 4)
    save('state-attention', Attention(), x, x)
