"""The networks of a study: what each is trained from, and where it is kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from ..activations.from_names import is_code
from ..errors import SpanmatchError, among
from .datasets import Data, read_data
from .networks import located
from .settings import Settings, Variant
from .train import Run


def runs_of(settings: Settings, data: dict[str, Data], place: Path, folder: Path) -> dict[str, list[Run]]:
    """Return the networks of a study, by variant, in `place`; files of code are taken from `folder`."""
    found: dict[str, list[Run]] = {}
    for variant in settings.variants:
        kept = tuple(sorted({*settings.compare.epochs, variant.training.epochs}))
        start = found.get(variant.training.start or "", [])
        about = variant.model_dump(mode="json") | {"digest": _digest(data[variant.name])} | _code(variant, folder)
        for i, seed in enumerate(settings.seeds):
            made_from: dict[str, Any] = about | {"seed": seed, "kept": list(kept)}
            if start:
                made_from["from"] = json.loads(start[i].made_from)
            found.setdefault(variant.name, []).append(
                Run(
                    located(variant, folder),
                    seed,
                    place / "runs" / variant.name / f"seed{seed}",
                    kept,
                    json.dumps(made_from),
                    start[i].weights() if start else None,
                )
            )
    return found


def _digest(data: Data) -> str:
    """Return a short name of what the data are."""
    whole = hashlib.sha256()
    for tensor in (data.train, data.train_labels, data.test, data.test_labels):
        whole.update(tensor.contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]


def _code(variant: Variant, folder: Path) -> dict[str, str]:
    """Return what tells a file of code from what it was before, if the network is from one."""
    if not is_code(variant.network.name):
        return {}
    file = folder / variant.network.name.rpartition(":")[0]
    return {"code": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}


def networks_of(
    place: Path, settings: dict[str, Any], variant: str | None, epoch: int | None, folder: Path
) -> dict[str, nn.Module]:
    """Return the trained networks of a variant of a study, by seed."""
    try:
        found = Settings.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SpanmatchError(
            f"{place / 'study.json'}: settings.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    names = [own.name for own in found.variants]
    name = names[0] if variant is None else variant
    if name not in names:
        raise SpanmatchError(f"no variant {name!r}{among(name, names)}")
    data = {own.name: read_data(own.data, folder) for own in found.variants}
    return {f"seed{run.seed}": run.network(data[name], epoch) for run in runs_of(found, data, place, folder)[name]}
