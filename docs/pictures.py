"""Redraw the pictures of the documentation from the folders of the demo's and of the studies' results.

python docs/pictures.py DEMO [STUDIES]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from digits import images, test_batches, train_batches, trained
from playwright.sync_api import Page, sync_playwright

import spanmatch as sm
from spanmatch.study.datasets import read_data
from spanmatch.study.settings import DataSettings

IMAGES = Path(__file__).with_name("images")
WIDTH, HEIGHT = 1200, 1000
LAYER = "relu2"
CHOOSE = "option => { option.selected = true; option.parentElement.dispatchEvent(new Event('change')); }"


def of_the_page(page: Page) -> None:
    page.locator("#layer").select_option("relu4")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / "demo.png")
    page.locator("#layer").select_option("relu1")
    page.locator("#eps").evaluate("slider => { slider.value = 0.4; slider.dispatchEvent(new Event('input')); }")
    page.locator("#levels").evaluate("levels => scrollTo(0, levels.getBoundingClientRect().top + scrollY - 120)")
    page.screenshot(path=IMAGES / "neuron.png")
    page.locator("#layer").select_option("relu3")
    # What stays at the top would lie over the parts.
    page.add_style_tag(content=".toolbar { position: static !important; }")
    page.locator("details.part", has_text="Evidence").first.screenshot(path=IMAGES / "evidence.png")
    page.locator("#all-layers").screenshot(path=IMAGES / "matrix.png")
    page.locator("#layer").select_option("relu1")
    smallest = page.locator("details.part", has_text="Minimum matches at eps 0.5").first
    smallest.locator("summary").click()
    smallest.locator("option", has_text="6 neurons").first.evaluate(CHOOSE)
    smallest.locator(".maps td").first.wait_for()
    smallest.screenshot(path=IMAGES / "simple.png")


def of_studies(page: Page, studies: Path) -> None:
    for name in ("digits-vgg", "cifar10-resnet", "cifar10-vgg"):
        shutil.copy(studies / name / "figures" / "seeds" / "depth.png", IMAGES / f"depth-{name}.png")
    for study, variant, picture in (
        ("digits-width-depth", "deep", "blocks-deep"),
        ("cifar10-width-depth", "depth-44", "blocks-cifar10"),
    ):
        opened(page, studies / study)
        page.locator("#comparison").select_option(f"seeds-{variant}")
        page.locator("#measure").select_option("debiased cka")
        page.locator("#matrix svg.heat").first.screenshot(path=IMAGES / f"{picture}.png")


def opened(page: Page, folder: Path) -> None:
    page.goto((folder / "report.html").resolve().as_uri())
    page.wait_for_selector("html[data-ready]")


def of_the_library(study: sm.Study) -> None:
    networks = study.networks()
    two = {name: networks[name] for name in ("seed0", "seed1")}
    data = read_data(DataSettings())
    batches = [data.prepared(data.train)]
    comparison = sm.compare(two, batches, layers=["conv*", "relu*", "pool", "fc*"], clusters=False, evidence=False)
    pair = comparison.moments.pair(f"seed0:{LAYER}", f"seed1:{LAYER}")
    _, axes = plt.subplots(1, 2, figsize=(8.8, 3.2), layout="constrained")
    sm.one_to_one(pair).plot(axes[0])
    sm.one_to_one(pair, method="semi").plot(axes[0])
    for both in (pair, pair.swapped):
        sm.sparse_map(both).plot(axes[1])
    for ax in axes:
        ax.legend(fontsize="xx-small")
    save("partners")
    _, axes = plt.subplots(1, 2, figsize=(8.8, 3.6), layout="constrained")
    for ax, by_cluster in zip(axes, (False, True), strict=True):
        sm.clusters(pair).plot(ax, by_cluster=by_cluster)
    save("clusters")
    _, ax = plt.subplots(figsize=(8.8, 4.4), layout="constrained")
    comparison.plot(ax)
    save("profiles")


def of_results() -> None:
    """Draw six results of two small networks, as docs/plots.md shows them."""
    networks = {"a": trained(0), "b": trained(1)}
    options = {"layers": ["relu*", "out"], "match": "best", "pairs": "all", "clusters": False, "evidence": False}
    comparison = sm.compare(networks, images, **options)
    pair = sm.capture(networks, train_batches, layers="relu2").pair("a:relu2", "b:relu2")
    match = sm.maximum_match(pair, 0.3)
    _, axes = plt.subplots(2, 3, figsize=(15, 8), layout="constrained")
    comparison.plot(axes[0, 0])
    comparison.matrix("debiased cka").plot(axes[0, 1])
    comparison.correspondence().plot(axes[0, 2])
    sm.one_to_one(pair).plot_matrix(axes[1, 0])
    sm.permutation_test(pair, sm.debiased_cka).plot(axes[1, 1])
    sm.transplant(networks, test_batches, pair, match, fit_batches=train_batches).plot(axes[1, 2])
    save("plots")


def save(name: str) -> None:
    plt.gcf().savefig(IMAGES / f"{name}.png", dpi=100)
    plt.close("all")


def main() -> None:
    demo, *studies = map(Path, sys.argv[1:])
    of_the_library(sm.Study.load(demo))
    of_results()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        opened(page, demo)
        of_the_page(page)
        for folder in studies:
            of_studies(page, folder)
        chromium.close()


if __name__ == "__main__":
    main()
