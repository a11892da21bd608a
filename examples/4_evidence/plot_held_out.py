"""
The match on held-out rows
==========================

A match is fitted to rows. With few rows for each neuron, it fits too well. The evidence of a profile
says how much.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)


def layers(rows):
    causes = r.standard_normal((rows, 10))
    noise = 0.4 * r.standard_normal((2, rows, 30))
    weights = r.standard_normal((2, 10, 30)) / 10**0.5
    return causes @ weights[0] + noise[0], causes @ weights[1] + noise[1]


few, many = sm.pair(*layers(120)), sm.pair(*layers(2000))

# %%
# Left: 120 rows for 30 neurons. The match in sample (dashed) is larger than on held-out rows (dots), and
# even unrelated layers match at a large eps (dotted). Solid is the estimate for the population, with its
# interval. Right: with 2,000 rows all agree.

left, right = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")[1]
sm.profile_evidence(few).plot(left, label="of the population, estimated")
sm.profile_evidence(many).plot(right, label="of the population, estimated")
left.set_title("120 rows")
right.set_title("2,000 rows")
for pair in (few, many):
    needed = sm.rows_needed(pair, 0.6)
    print(f"{pair.rows} rows, {needed.needed} needed at eps 0.6, chance distance {needed.chance_distance:.2f}")

# %%
# Neuron by neuron: distances on held-out rows over those on the rows fitted. Above the dashed line a
# neuron is in the match in sample, but not on new rows.

left, right = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")[1]
for pair, ax in ((few, left), (many, right)):
    sm.held_out(pair, sm.maximum_match(pair, 0.6)).plot(ax)
plt.show()
