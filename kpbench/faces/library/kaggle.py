"""Fetch a competition's files from Kaggle, with Kaggle's own client and the person's own account."""

import contextlib
import importlib
import sys
from pathlib import Path

from kpbench.errors import UsageError

_REFUSED = ("CredentialError", "UnauthenticatedError")


def fetch_competition(competition: str, page: str) -> Path:
    """The training.zip or training.csv of a competition, or the folder of what there is instead.

    Raises:
        UsageError: kagglehub is not installed, Kaggle refuses (no credentials, rules not accepted), or nothing comes.
    """
    try:
        kagglehub = importlib.import_module("kagglehub")  # an extra, and slow to import
    except ImportError:
        raise UsageError(
            "kagglehub is not installed: pip install 'kpbench[kaggle]'; or download the zip in a browser "
            f"({page}/data), unpack it and use kpbench data add NAME training.zip"
        ) from None
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout carries kpbench's result alone
            folder = Path(kagglehub.competition_download(competition))
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403) or type(error).__name__ in _REFUSED:
            raise UsageError(
                f"Kaggle refused {competition}: accept its rules at {page}/rules, and save an API token from "
                "https://www.kaggle.com/settings as ~/.kaggle/kaggle.json"
            ) from None
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise UsageError(f"cannot get {competition} from Kaggle: {why}; try again, or use {page}/data") from None
    return next((file for name in ("training.zip", "training.csv") if (file := folder / name).is_file()), folder)
