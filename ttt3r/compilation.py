"""A network with its three parts compiled: fewer and larger kernels, and little Python between them."""

import os
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

import ttt3r.tree as tree
from ttt3r.network import CUT3R
from ttt3r.types import AttentionBias, Features, Frame, Memory, Needs, Outputs, Proposal, Reconstruction, Tokens

__all__ = [
    "Compiled",
]


class Compiled(nn.Module):
    """`encode`, `propose` and `readout` of a network through `torch.compile`, each compiled when it first meets a size.

    The numbers differ in their last bits. It pays for long streams of frames of one size: the first frames take up to some
    minutes, and so does each further size, number of rules, or need of a rule.

    A compiled network stands wherever a network does: `Reconstructor(Compiled(network), rule)`.

    On CUDA, `propose`, which runs frame by frame and cannot wait for others, is recorded and replayed as a CUDA graph.
    Replays write where the ones before wrote, so what it returns is copied.

    Args:
        network: what is compiled; its weights are shared.
        backend: of `torch.compile`.

    Raises:
        ValueError: with shape checks on, which cannot be compiled.
    """

    def __init__(self, network: CUT3R, backend: str = "inductor") -> None:
        super().__init__()
        if os.environ.get("TTT3R_TYPECHECK") == "1":
            raise ValueError("shape checks cannot be compiled: unset TTT3R_TYPECHECK, or leave compilation out")
        # The tables of the rotary embedding become part of what is compiled; that their cache is bypassed does no harm.
        warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
        self.network = network
        self.config = network.config
        self._graphs = next(network.parameters()).is_cuda
        mode = "reduce-overhead" if self._graphs else None
        self._encode = torch.compile(network.encode, fullgraph=True, dynamic=False, backend=backend)
        self._propose = torch.compile(network.propose, fullgraph=True, dynamic=False, backend=backend, mode=mode)
        self._readout = torch.compile(network.readout, fullgraph=True, dynamic=False, backend=backend)

    def initial_memory(self, batch: int) -> Memory:
        """The memory before any frame."""
        return self.network.initial_memory(batch)

    def encode(self, frame: Frame) -> Tokens:
        """Tokens of a frame."""
        return self._encode(frame)

    def propose(
        self, tokens: Tokens, memory: Memory, needs: Needs = Needs.NOTHING, biases: Sequence[AttentionBias] = ()
    ) -> Proposal:
        """A candidate state and pose memory."""
        if not self._graphs:
            return self._propose(tokens, memory, needs, biases)
        torch.compiler.cudagraph_mark_step_begin()
        return tree.map_tensors(Tensor.clone, self._propose(tokens, memory, needs, biases))

    def readout(self, features: Features, outputs: Outputs = Outputs.ALL) -> Reconstruction:
        """Run the heads that were asked for."""
        return self._readout(features, outputs)
