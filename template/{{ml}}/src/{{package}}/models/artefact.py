"""A model as it is published: one ONNX file that says in its own metadata what it is.

ONNX is a graph of known operators and their numbers. Loading it runs nothing that its author wrote, as a pickle would.
"""

import hashlib
from importlib.metadata import version
from typing import Any, Protocol, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ..predictions.schemas import FEATURES

FORMAT = 1
"""What the file must look like; raise it when a change makes this code unable to use the models of before."""

CARD = "card"
INPUT = "features"
OUTPUT = "probabilities"
CUDA = "CUDAExecutionProvider"

Matrix = NDArray[np.float32]


class ModelRefused(Exception):
    """A model that must not be served; the message says why."""


class Card(BaseModel):
    """What a model says of itself. It holds no time, so that the same training gives the same file."""

    model_config = ConfigDict(frozen=True)

    format: int
    version: str
    """The version of this project that trained it."""
    features: tuple[str, ...]
    """What it takes, in this order."""
    classes: tuple[str, ...]
    """What it tells apart, in the order of its probabilities."""
    metrics: dict[str, float]
    """How well it did on data that it had not seen."""
    seed: int
    data_sha256: str
    libraries: dict[str, str]


class ModelDescription(Card):
    """A card, and the hash of the file that it is in."""

    sha256: str


class Session(Protocol):
    """As much of ONNX Runtime's session, which has no types, as is used here."""

    def run(self, outputs: list[str], inputs: dict[str, Matrix]) -> list[Matrix]: ...

    def get_inputs(self) -> list[Any]: ...

    def get_outputs(self) -> list[Any]: ...

    def get_providers(self) -> list[str]: ...

    def get_modelmeta(self) -> Any: ...


class Model:
    """A model that can be asked, from several threads at once."""

    def __init__(self, session: Session, card: Card, sha256: str) -> None:
        self.card = card
        self.sha256 = sha256
        self.version = f"{card.version}+{sha256[:12]}"
        self._session = session

    @classmethod
    def load(cls, content: bytes, accelerator: str = "cpu") -> Self:
        """Make a model of a file's content.

        Raises:
            ModelRefused: It is not a model, or not one that this service can serve.
        """
        session = create_session(content, accelerator)
        model = cls(session, _card(session), hashlib.sha256(content).hexdigest())
        model._refuse_other_shape()
        return model

    def probabilities(self, rows: Matrix) -> Matrix:
        """The probability of each class, for each row."""
        return self._session.run([OUTPUT], {INPUT: rows})[0]

    def describe(self) -> ModelDescription:
        """What callers may know of it."""
        return ModelDescription(**self.card.model_dump() | {"version": self.version, "sha256": self.sha256})

    def _refuse_other_shape(self) -> None:
        takes = [(item.name, item.type, item.shape[1:]) for item in self._session.get_inputs()]
        gives = [(item.name, item.type, item.shape[1:]) for item in self._session.get_outputs()]
        described_input = (INPUT, "tensor(float)", [len(self.card.features)])
        described_output = (OUTPUT, "tensor(float)", [len(self.card.classes)])
        if takes != [described_input] or described_output not in gives:
            raise ModelRefused("its inputs and outputs are not those that its card describes")
        answer = self.probabilities(np.zeros((1, len(self.card.features)), np.float32))
        if not np.isfinite(answer).all():
            raise ModelRefused("it does not answer with numbers")


def create_session(content: bytes, accelerator: str = "cpu") -> Session:
    """Load a graph into ONNX Runtime.

    Raises:
        ModelRefused: It is no graph that this version can run, or it cannot run on the accelerator.
    """
    options = onnxruntime.SessionOptions()
    # Predictions run side by side in threads of the service's own, so each needs only one.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if accelerator == "cuda":
        if CUDA not in onnxruntime.get_available_providers():
            raise ModelRefused("this build of ONNX Runtime cannot use a GPU")
        onnxruntime.preload_dlls()
        # Rounding to TF32 would make answers differ from those that were evaluated.
        providers.insert(0, (CUDA, {"use_tf32": "0"}))
    try:
        session: Session = onnxruntime.InferenceSession(content, options, providers)
    except Exception as error:
        raise ModelRefused(f"ONNX Runtime {onnxruntime.__version__} cannot load it: {error}") from error
    if accelerator == "cuda" and CUDA not in session.get_providers():
        raise ModelRefused("it would not run on the GPU: ONNX Runtime finds none, or the driver is too old")
    return session


def _card(session: Session) -> Card:
    try:
        card = Card.model_validate_json(session.get_modelmeta().custom_metadata_map.get(CARD, ""))
    except ValidationError as error:
        raise ModelRefused(f"it has no card that this service can read: {error.errors()[0]['msg']}") from error
    if card.format != FORMAT:
        raise ModelRefused(f"it has format {card.format}, and this service reads format {FORMAT}")
    if card.features != FEATURES:
        other = sorted(set(card.features) ^ set(FEATURES)) or ["their order"]
        raise ModelRefused(f"it was trained on other features than this service takes: {', '.join(other)}")
    trained, here = card.libraries.get("onnxruntime", "none"), version_of_runtime()
    if trained.split(".")[0] != here.split(".")[0]:
        raise ModelRefused(f"it was evaluated with ONNX Runtime {trained}, and this service runs {here}")
    return card


def version_of_runtime() -> str:
    """The version of ONNX Runtime, whichever of its builds is installed."""
    return str(onnxruntime.__version__)


def versions(*distributions: str) -> dict[str, str]:
    """The installed versions of what a model is made with."""
    return {name: version(name) for name in distributions} | {"onnxruntime": version_of_runtime()}
