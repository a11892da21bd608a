"""
Partners that correlation does not see
======================================

A neuron and its absolute value are uncorrelated, if the neuron is symmetric about 0. Mutual information
sees that one determines the other.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
X = r.standard_normal((3000, 8))
Y = np.hstack([np.abs(X[:, :4]), X[:, 4:]]) + 0.1 * r.standard_normal((3000, 8))
information = sm.mutual_information(X, Y, bins=10)

# %%
# Left: correlations. The first four partners are missing. Right: mutual information has all eight.

left, right = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")[1]
sm.correlation(sm.pair(X, Y)).plot(left)
left.set_title("correlation")
information.plot(right)
right.set_title("mutual information")
found = information.between.argmax(axis=1)
print("partners by mutual information:", found)
plt.show()
