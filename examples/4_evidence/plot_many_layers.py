"""
Many pairs of layers at once
============================

With many pairs of layers, some exceed the usual threshold by chance. The threshold here is that of the
largest of all pairs.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
n, depth = 300, 12
shared = r.standard_normal((n, 6))


def network(weight):
    """Return layers that share less and less with the other network."""
    layers = {}
    for k in range(depth):
        share = weight * max(0.0, 1 - k / 8)
        layers[f"layer{k}"] = share * shared @ r.standard_normal((6, 10)) + r.standard_normal((n, 10))
    return layers


comparison = sm.compare({"a": network(1.0), "b": network(1.0)}, evidence=False, clusters=False)

# %%
# Filled marks are significant at 5% over all twelve pairs. The last layers share nothing, and stay below
# the dotted threshold.

significance = comparison.significance("debiased cka")
significance.plot()
print(significance)
plt.show()
