"""Make small random networks and activations of every kind, for the commands of docs/sources.md: no download.

python docs/sources.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
import zarr
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save_file
from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE, WordLevel

ROWS, LAYERS = 2000, {"relu1": 12, "relu2": 8}
TEXT = ["the cat sat on the mat", "and the dog sat on the cat", "while the mat lay under the dog"]

NETS = """
import torch
from torch import nn
from torch.nn import functional as F

def net(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU())

def base():
    return net(0)

def tuned():
    network = net(0)
    with torch.no_grad():
        network[2].weight += 1e-3 * torch.randn(8, 12)
    return network

def deep():
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), *net(2)[2:], nn.Linear(8, 4))

def convolution(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU())

def seed0():
    return convolution(0)

def seed1():
    return convolution(1)

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)
        self.blocks = nn.Sequential(*(Block() for _ in range(blocks)))

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.conv1(x))).mean((2, 3)))

def resnet(blocks=2):
    torch.manual_seed(blocks)
    return ResNet(blocks)

def exported():
    return torch.export.load("b.pt2")  # your own file: loading it runs what is in it
"""


def graph(path: Path, seed: int) -> None:
    """Write a perceptron as ONNX: x -> relu1 -> relu2."""
    r = np.random.default_rng(seed)
    shapes = {"w1": (6, 12), "w2": (12, 8)}
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["before1"]),
        helper.make_node("Relu", ["before1"], ["relu1"]),
        helper.make_node("MatMul", ["relu1", "w2"], ["before2"]),
        helper.make_node("Relu", ["before2"], ["relu2"]),
    ]
    made = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("relu2", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(r.standard_normal(s).astype("f4"), name) for name, s in shapes.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def voice(path: Path, seed: int) -> None:
    """Write a network of two sampling rates, with a state: If(sr == 16000) one convolution and GRU, else others."""
    initial = {"rate": np.array(16000), "one": np.array([1]), "zero": np.array([0])}
    made = helper.make_graph(
        [
            helper.make_node("Equal", ["sr", "rate"], ["is_fast"]),
            helper.make_node(
                "If",
                ["is_fast"],
                ["last", "stateN"],
                name="rates",
                then_branch=voice_branch(seed, 8),
                else_branch=voice_branch(seed + 2, 4),
            ),
        ],
        "voice",
        [
            helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 32]),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, "batch", 6]),
            helper.make_tensor_value_info("sr", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("last", TensorProto.FLOAT, ["batch", 6]),
            helper.make_tensor_value_info("stateN", TensorProto.FLOAT, [1, "batch", 6]),
        ],
        [numpy_helper.from_array(array, name) for name, array in initial.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def voice_branch(seed: int, stride: int) -> onnx.GraphProto:
    """Return the network of one sampling rate."""
    r = np.random.default_rng(seed)
    shapes = {"kernel": (5, 1, stride), "W": (1, 18, 5), "R": (1, 18, 6)}
    nodes = [
        helper.make_node("Unsqueeze", ["input", "one"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernel"], ["conv"], strides=[stride]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Transpose", ["relu"], ["sequence"], perm=[2, 0, 1]),
        helper.make_node("GRU", ["sequence", "W", "R", "", "", "state"], ["gru", "final"], hidden_size=6),
        helper.make_node("Squeeze", ["final", "zero"], ["squeezed"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("squeezed", "final")]
    weights = [numpy_helper.from_array(r.standard_normal(s).astype("f4"), name) for name, s in shapes.items()]
    return helper.make_graph(nodes, f"stride_{stride}", [], outputs, weights)


def language_model(folder: Path, model: BPE | WordLevel, trainer: object, seed: int) -> None:
    """Write a tiny GPT-2 with a tokenizer of its own."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TEXT, trainer)
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, vocab_size=tokenizer.get_vocab_size(), bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(folder)


def activations(seed: int) -> dict[str, np.ndarray]:
    """Return two layers that share their causes with those of any other seed."""
    causes = np.random.default_rng(0).standard_normal((ROWS, 6))
    r = np.random.default_rng(seed)
    return {
        layer: np.maximum(causes @ r.standard_normal((6, width)) + 0.1 * r.standard_normal((ROWS, width)), 0)
        for layer, width in LAYERS.items()
    }


def store(folder: Path, name: str, layers: dict[str, np.ndarray]) -> None:
    """Write the same activations in every format."""
    group = zarr.open_group(folder / f"{name}.zarr", mode="w")
    lists = {}
    for layer, array in layers.items():
        group.create_array(layer, data=array, chunks=(500, array.shape[1]))
        lists[layer] = pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])
        (folder / f"shards-{name}" / layer).mkdir(parents=True)
        for i, part in enumerate(np.split(array, 4)):
            np.save(folder / f"shards-{name}" / layer / f"{i:03}.npy", part)
    (folder / f"tensors-{name}").mkdir()
    for i in range(4):
        part = {layer: np.ascontiguousarray(np.split(array, 4)[i]) for layer, array in layers.items()}
        save_file(part, folder / f"tensors-{name}" / f"{name}-{i + 1:05}-of-00004.safetensors")
    pq.write_table(pa.table(lists), folder / f"{name}.parquet")
    np.savez(folder / f"{name}.npz", **layers)
    torch.save({layer: torch.from_numpy(array) for layer, array in layers.items()}, folder / f"{name}.pt")
    order = np.random.default_rng(len(name) + ord(name)).permutation(ROWS)  # another one for each network
    names = [*(f"n{i}" for i in range(layers["relu1"].shape[1])), "image"]
    rows = [",".join([*map(repr, layers["relu1"][i].tolist()), f"{i:05}.png"]) for i in order]
    (folder / f"{name}.csv").write_text("\n".join([",".join(names), *rows]) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    scope: dict[str, object] = {}
    exec(NETS, scope)
    inputs = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(0))
    np.save(folder / "inputs.npy", inputs.numpy())
    program = torch.export.export(scope["net"](1), (inputs,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, folder / "b.pt2")
    for seed, name in enumerate("ab"):
        graph(folder / f"{name}.onnx", seed)
        voice(folder / f"vad-{name}.onnx", seed)
        store(folder, name, activations(seed + 1))
    unknown = "[UNK]"
    words = WordLevel(unk_token=unknown), trainers.WordLevelTrainer(special_tokens=[unknown])
    pieces = BPE(unk_token=unknown), trainers.BpeTrainer(special_tokens=[unknown], vocab_size=30)
    language_model(folder / "words", *words, seed=0)
    language_model(folder / "pieces", *pieces, seed=1)
    r = np.random.default_rng(0)
    lines = [" ".join(r.choice(" ".join(TEXT).split(), 12)) for _ in range(60)]
    sound = r.standard_normal((400, 32)).astype("f4")
    np.save(folder / "sound.npy", sound)
    np.savez(folder / "sound.npz", input=sound, sr=16000)
    (folder / "texts.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "texts.csv").write_text("\n".join(["number,text", *map("{0[0]},{0[1]}".format, enumerate(lines))]) + "\n")
    for seed in range(2):  # as a loop of training writes them, with the names of nn.DataParallel
        torch.manual_seed(seed)
        weights = {f"module.{name}": values for name, values in scope["ResNet"](2).state_dict().items()}
        torch.save({"epoch": 30, "state_dict": weights}, folder / f"seed{seed}.pth")
    (folder / "images").mkdir()
    for i, pixels in enumerate(r.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / "images" / f"{i:05}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
