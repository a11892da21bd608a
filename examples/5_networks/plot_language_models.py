"""
Two small language models
=========================

Two transformers read the source code of Python's standard library, character by character, and predict
the next one. They differ only in their seed. Rows are the positions of a text, neurons the channels of
the residual stream.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

import spanmatch as sm

text = Path(argparse.__file__).read_text()[:60_000]
characters = sorted(set(text))
tokens = torch.tensor([characters.index(character) for character in text])
LENGTH, WIDTH = 32, 48


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.read, self.write = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        q, k, v = self.read(self.norm1(x)).chunk(3, dim=-1)
        x = x + self.write(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))
        return x + self.mlp(self.norm2(x))


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.position = nn.Embedding(len(characters), WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.head = nn.Linear(WIDTH, len(characters))
        for part in (self.embedding, self.position):
            nn.init.normal_(part.weight, std=0.1)  # small weights learn faster

    def forward(self, x):
        x = self.embedding(x) + self.position(torch.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def trained(seed, steps=150):
    torch.manual_seed(seed)
    model = LanguageModel()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        starts = torch.randint(len(tokens) - LENGTH - 1, (48, 1))
        batch = tokens[starts + torch.arange(LENGTH + 1)]
        loss = nn.functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"seed {seed}: loss {loss.item():.2f} nats, of {torch.tensor(len(characters)).log():.2f} without training")
    return model


models = {"seed 0": trained(0), "seed 1": trained(1)}
probe = tokens[: 150 * LENGTH].reshape(150, LENGTH)

# %%
# All places of one model against all of the other. The residual stream changes slowly, block by block.

comparison = sm.compare(
    models,
    probe,
    layers=["embedding", "blocks.?", "head"],
    match="best",
    pairs="all",
    evidence=False,
    clusters=False,
    sample=0,
)
comparison.matrix("debiased cka").plot(networks=("seed 0", "seed 1"))

# %%
# Which places correspond?

comparison.correspondence().plot(plt.figure(figsize=(6, 3.4), layout="constrained").subplots())

# %%
# The share of channels that match, over every eps, for each pair.

comparison.plot()
plt.show()
