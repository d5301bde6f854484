# Training steps of a small language model on PyTorch's side: the model of Weft's gpt(), with one product for query, key
# and value.
import torch
from peer_common import cuda, device, pattern, tokens
from peer_sequences import composed
from peer_training import Trainer

functional = torch.nn.functional
attend = getattr(functional, "scaled_dot_product_attention", composed)


class Block(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.first, self.second = torch.nn.LayerNorm(width, eps=1e-5), torch.nn.LayerNorm(width, eps=1e-5)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x):
        batch, steps, width = x.shape
        qkv = self.qkv(self.first(x)).view(batch, steps, 3, self.heads, width // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        x = x + self.out(attend(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, steps, width))
        return x + self.down(functional.gelu(self.up(self.second(x))))


class Gpt(torch.nn.Module):
    def __init__(self, request):
        super().__init__()
        width = request["width"]
        self.tokens = torch.nn.Embedding(request["vocabulary"], width)
        self.positions = torch.nn.Parameter(torch.empty(request["steps"], width))
        self.blocks = torch.nn.ModuleList(Block(width, request["heads"]) for _ in range(request["layers"]))
        self.last = torch.nn.LayerNorm(width, eps=1e-5)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.last(x) @ self.tokens.weight.T

    @torch.no_grad()
    def set_weights(self):
        """The numbers of Weft's side, one seed for each weight in the order of gpt()."""
        seed = iter(range(100, 100 + 2 + 16 * len(self.blocks) + 2))

        def numbers(*shape):
            return pattern(shape, next(seed)) / 32

        def norm(part):
            part.weight.copy_(numbers(*part.weight.shape) + 1)
            part.bias.copy_(numbers(*part.bias.shape))

        def linear(part):
            part.weight.copy_(numbers(part.in_features, part.out_features).T)
            part.bias.copy_(numbers(part.out_features))

        width = self.positions.shape[1]
        self.tokens.weight.copy_(numbers(*self.tokens.weight.shape))
        self.positions.copy_(numbers(*self.positions.shape))
        for block in self.blocks:
            for i in range(3):
                rows = slice(i * width, (i + 1) * width)
                block.qkv.weight[rows].copy_(numbers(width, width).T)
                block.qkv.bias[rows].copy_(numbers(width))
            linear(block.out)
            norm(block.first)
            linear(block.up)
            linear(block.down)
            norm(block.second)
        norm(self.last)


class LanguageTrainer(Trainer):
    """Steps of peer_training.py for ids and their successors; 'mixedBfloat16' is autocast here."""

    def load_data(self):
        ids = tokens(self.samples, self.request["steps"], self.request["vocabulary"])
        self.x, self.y = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def make_network(self):
        return Gpt(self.request).to(device)

    def make_optimizer(self, options):
        return torch.optim.AdamW(self.network.parameters(), lr=1e-3, eps=1e-12, weight_decay=0.01, **options)

    def set_weights(self):
        self.network.set_weights()

    def batch_of(self, index):
        return self.x.index_select(0, index), self.y.index_select(0, index)

    def loss(self, x, y):
        with torch.autocast(device.type, torch.bfloat16, enabled=self.request["precision"] == "mixedBfloat16"):
            logits = self.network(x)
        return (functional.cross_entropy(logits.float().flatten(0, 1), y.flatten()),)


def load(request):
    found = {"eager": LanguageTrainer(request, "", "eager", False)}
    if not cuda:
        return found
    found["eager fused"] = LanguageTrainer(request, "", "eager", True)
    found["graph"] = LanguageTrainer(request, "", "graph", True)
    if hasattr(torch, "compile"):
        modes = ["compile", "compiled graph"] + (["autotuned graph"] if request.get("autotune") else [])
        for mode in modes:
            torch._dynamo.reset()
            found[mode] = LanguageTrainer(request, "", mode, True)
    return found
