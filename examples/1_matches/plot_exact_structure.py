"""
The structure of exact matches
==============================

Without noise, eps can be 0: every neuron of a group is an exact linear combination of the other group.
Here, three groups of neurons are mixed within themselves, and one of them also needs another.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
X = r.standard_normal((300, 11))
A, B, C = r.standard_normal((3, 3)), r.standard_normal((2, 2)), r.standard_normal((4, 4))
Y = np.hstack([X[:, :3] @ A, X[:, 3:5] @ B, X[:, 5:9] @ C, r.standard_normal((300, 2))])
Y[:, 3] += X[:, 0]  # a neuron of the second group needs one of the first
pair = sm.pair(X, Y)

# %%
# Each row is a neuron, each column one that it may need. Dark: it needs the other directly. Light: every
# match with the neuron holds the other. Blocks on the diagonal need each other; the rectangle below is
# the group that needs another one.

structure = sm.exact_structure(pair)
structure.plot(plt.figure(figsize=(6, 6), layout="constrained").subplots())
print(structure)
for x, y in structure.simple_matches():
    print("neurons of x", x, "with neurons of y", y)

# %%
# The coefficients of the maximum match show the same blocks: rows are neurons of x, columns are those
# of y that they predict. The two neurons of noise on either side are in no match.

match = sm.maximum_match(pair, 0)
match.coefficients(pair).plot()
plt.show()
