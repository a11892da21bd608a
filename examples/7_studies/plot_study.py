"""
A study: many seeds, with intervals
===================================

A study trains networks from a file, compares them, and gives means with intervals over seeds. This one
has two variants of a small perceptron on digits, with three seeds each. `sm.run_study` does the same
as the command; it starts processes, so that scripts call it under `if __name__ == "__main__":`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import spanmatch as sm
from spanmatch.report import figures

FILE = """
name = "width"
about = "Do wider layers match better?"
seeds = [0, 1, 2]

[data]
name = "digits"

[training]
epochs = 3
optimiser = "adamw"
lr = 4e-3

[compare]
layers = ["relu*"]
eps = [0.3, 0.5]
measures = ["debiased cka"]
epochs = [0, 3]
evidence = false
clusters = false
max_examples = 500

[[variants]]
name = "narrow"
network = { name = "mlp", options = { widths = [16, 16] } }

[[variants]]
name = "wide"
network = { name = "mlp", options = { widths = [64, 64] } }
"""

folder = Path(tempfile.mkdtemp())
(folder / "width.toml").write_text(FILE)
command = [sys.executable, "-m", "spanmatch", "study", "width.toml", "--out", "results", "--workers", "1"]
subprocess.run(command, cwd=folder, check=True, capture_output=True)  # as `spanmatch study width.toml`
study = sm.Study.load(folder / "results")
print(study)

# %%
# Test accuracy over epochs, the mean over seeds with its interval.

study.plot_training(plt.figure(figsize=(6.4, 3.4), layout="constrained").subplots())

# %%
# The share of neurons that match, and a measure, by layer. Three seeds are few, so that intervals are wide.

left, right = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")[1]
study.plot(left, quantity="s(0.5)")
study.plot(right, quantity="debiased cka")

# %%
# A mean over seeds with its interval (and, thin, the range) from numbers of your own: here the final
# accuracies.

ax = plt.figure(figsize=(6.4, 2), layout="constrained").subplots()
for variant in ("narrow", "wide"):
    final = [run["history"][-1]["test_accuracy"] for run in study.results["runs"] if run["variant"] == variant]
    sm.over_seeds(final).plot(ax, name=f"accuracy, {variant}")

# %%
# The same as figures for a paper, in black and white: accuracy, and the similarity of each layer to the
# end of training, and between seeds.

figures.learning(study.results)
figures.settling(next(step for step in study.results["steps"] if step["kind"] == "epochs"))
plt.show()
