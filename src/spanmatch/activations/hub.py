"""Models of transformers in the local cache of the Hugging Face Hub, "hf:NAME"."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadArgument, SpanmatchError, missing_extra
from .transformers import is_folder

HUB = "hf:"
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""The files of a model that are read: configuration, tokenizer and weights."""


def is_hub_name(text: str) -> bool:
    """Tell whether a text is "hf:NAME"."""
    return text.startswith(HUB)


def hub_folder(text: str, *, download: bool) -> Path:
    """Return the folder of a model in the local cache of the Hugging Face Hub.

    Parameters
    ----------
    text : str
        "hf:NAME", as "hf:gpt2" or "hf:google/vit-base-patch16-224".
    download : bool
        Whether to ask the Hub for what the cache lacks. Otherwise nothing is asked or downloaded.

    Returns
    -------
    Path
        A folder as `capture` takes it. Nothing in it is trusted or run.

    Raises
    ------
    BadArgument
        If the name is none of the Hub's, or the model is not in the cache, or only in part.
    SpanmatchError
        If it cannot be downloaded, or transformers is not installed.
    """
    name = text.removeprefix(HUB)
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise missing_extra("transformers", "transformers", text) from error
    lacking = (
        f"{text}: not in the local cache, {constants.HF_HUB_CACHE}, or only in part; give --download, or run: "
        f"hf download {name}"
    )
    try:
        folder = Path(snapshot_download(name, local_files_only=not download, allow_patterns=list(FILES)))
    except HFValidationError as error:
        raise BadArgument(f"{text}: no name of a model on the Hub: {error}") from error
    except Exception as error:  # those of the Hub's client and of the network
        if isinstance(error, LocalEntryNotFoundError) and not download:
            raise BadArgument(lacking) from error
        raise SpanmatchError(f"{text}: cannot be downloaded ({type(error).__name__}: {error})") from error
    if download and not any(folder.glob("*.safetensors")):
        raise SpanmatchError(f"{text}: the model has no weights as safetensors, and only these are read")
    if not is_folder(folder) or not any(folder.glob("*.safetensors")):
        raise BadArgument(lacking)
    return folder
