"""Models of transformers: what the name of each layer stands for, by the formulas of the models."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
from activations.small_transformers import MASK, MODELS, batch, make

import spanmatch as sm


def rows_of(kind, values):
    """Return the rows that count, of (examples, tokens, neurons)."""
    values = values.detach().double().numpy()
    return values.reshape(-1, values.shape[-1]) if kind == "vit" else values[MASK.numpy()]


def neurons_by_formula(kind, model, i):
    """Return the neurons of block i's MLP, computed from the input that the MLP gets."""
    seen = {}
    base = model.base_model
    block = {
        "bert": lambda: base.encoder.layer[i],
        "gpt2": lambda: base.h[i],
        "llama": lambda: base.layers[i],
        "vit": lambda: base.layers[i],
    }[kind]()
    mlp = block.intermediate if kind == "bert" else block.mlp
    hook = mlp.register_forward_hook(lambda m, inputs, output: seen.update(into=inputs[0], out=output))
    with torch.no_grad():
        model(**batch(kind))
    hook.remove()
    x = seen["into"]
    if kind == "bert":
        return torch.nn.functional.gelu(x @ mlp.dense.weight.T + mlp.dense.bias)
    if kind == "gpt2":
        return torch.nn.functional.gelu(x @ mlp.c_fc.weight + mlp.c_fc.bias, approximate="tanh")
    if kind == "llama":
        return torch.nn.functional.silu(x @ mlp.gate_proj.weight.T) * (x @ mlp.up_proj.weight.T)
    return torch.nn.functional.gelu(x @ mlp.fc1.weight.T + mlp.fc1.bias)


@pytest.mark.parametrize("kind", MODELS)
def test_names_stand_for_what_they_say(kind, tmp_path):
    model = make(kind)
    model.save_pretrained(tmp_path / kind)
    names = ["hidden.*", "mlp.*", "attention.*"]
    moments = sm.capture({"folder": tmp_path / kind, "object": model}, [batch(kind)], layers=names)
    expected_layers = [f"hidden.{i}" for i in range(3)] + [
        f"{part}.{i}" for part in ("mlp", "attention") for i in range(2)
    ]
    assert [layer.removeprefix("object:") for layer in moments.layers if layer.startswith("object:")] == expected_layers
    with torch.no_grad():
        hidden = model(**batch(kind), output_hidden_states=True).hidden_states
    expected = {f"hidden.{i}": rows_of(kind, state) for i, state in enumerate(hidden)}
    expected |= {f"mlp.{i}": rows_of(kind, neurons_by_formula(kind, model, i)) for i in range(2)}
    for name, values in expected.items():
        for who in ("folder", "object"):
            pair = moments.pair(f"{who}:{name}", f"{'object' if who == 'folder' else 'folder'}:{name}")
            assert pair.rows == len(values)
            np.testing.assert_allclose(pair.xx, oracles.co_moments(values, values), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(pair.x_mean, values.mean(axis=0), atol=1e-5)
    assert moments.layers["object:mlp.0"] == 24 and moments.layers["object:attention.1"] == 16
    left = [
        h for module in model.modules() for h in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    assert not any(hook.__module__.startswith("spanmatch") for hook in left)


@pytest.mark.parametrize(
    ("kind", "path"), [("bert", "encoder.layer.1.attention.output.dense"), ("gpt2", "h.1.attn.c_proj")]
)
def test_attention_is_its_output_projection_and_paths_name_modules_too(kind, path):
    model = make(kind).base_model
    both = sm.capture(
        {"a": model, "b": model},
        [batch(kind)],
        layers={"a": "attention.1", "b": path},
        pairs=[("a:attention.1", f"b:{path}")],
    )
    pair = both.pair("a:attention.1", f"b:{path}")
    np.testing.assert_array_equal(pair.xx, pair.yy)
    assert pair.rows == int(MASK.sum())


def test_a_head_runs_only_where_it_is_asked_for(monkeypatch):
    model, calls = make("llama"), []
    model.lm_head.register_forward_hook(lambda *_: calls.append(1))
    sm.capture({"a": model, "b": model}, [batch("llama")])
    assert not calls
    assert sm.capture({"a": model, "b": model}, [batch("llama")], layers="lm_head").layers["a:lm_head"] == 60
    assert calls


@pytest.mark.parametrize("pool", ["mean", "last"])
def test_one_row_an_example(pool):
    model = make("gpt2")
    moments = sm.capture({"a": model, "b": make("gpt2", 1)}, [batch("gpt2")], layers="hidden.2", pool=pool)
    with torch.no_grad():
        states = model(**batch("gpt2"), output_hidden_states=True).hidden_states[2].double().numpy()
    lengths = MASK.sum(1).tolist()
    rows = [state[:n].mean(0) if pool == "mean" else state[n - 1] for state, n in zip(states, lengths, strict=True)]
    pair = moments.pair("a:hidden.2", "b:hidden.2")
    np.testing.assert_allclose(pair.x_mean, np.mean(rows, axis=0), atol=1e-5)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(np.array(rows), np.array(rows)), rtol=1e-4, atol=1e-5)


def test_models_without_such_places():
    with pytest.raises(sm.SpanmatchError, match=r"'mlp.9' matches nothing in network 'a'; there is .*mlp\.1"):
        sm.capture({"a": make("bert"), "b": make("bert")}, [batch("bert")], layers="mlp.9")
