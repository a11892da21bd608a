"""
Small matches around each neuron
================================

A maximum match is a union of smaller ones. Here, two layers of 15 and 16 neurons are noisy mixtures of
few causes each, so that small groups match by themselves.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
causes = r.standard_normal((400, 6))


def view(neurons):
    weights = r.standard_normal((6, neurons)) * (r.random((6, neurons)) < 0.5) + 0.1
    return causes @ weights + 10 ** r.uniform(-1.5, 0, neurons) * r.standard_normal((400, neurons))


pair = sm.pair(view(16), view(15))
eps = 0.4

# %%
# A v-minimum match holds the neuron v, and no smaller match within it does. This is the one that the
# search finds around the first matched neuron.

v = ("x", int(sm.maximum_match(pair, eps).x[0]))
smallest = sm.minimum_match(pair, v, eps)
smallest.plot(plt.figure(figsize=(7, 2.4), layout="constrained").subplots())
print(smallest)

# %%
# How many neurons does it take? The histogram counts the matched neurons by the size of the smallest
# match that was found around them.

matches = sm.simple_matches(pair, eps, limit=60)
matches.plot(plt.figure(figsize=(6.4, 3.2), layout="constrained").subplots())
print(matches)

# %%
# Each row is one of these matches. Blue are its neurons of x, orange those of y.

matches.plot_members()

# %%
# The smallest of all.

matches.matches[0].plot(plt.figure(figsize=(7, 2.4), layout="constrained").subplots())
plt.show()
