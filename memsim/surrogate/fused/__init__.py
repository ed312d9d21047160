"""All steps of a run, forward and discrete adjoint, as one operation generated from the symbolic step."""

from memsim.surrogate.fused.compiler import find_compiler
from memsim.surrogate.fused.coupled import scan_coupled
from memsim.surrogate.fused.kernel import Kernel
from memsim.surrogate.fused.native_kernel import NativeKernel
from memsim.surrogate.fused.program import StepProgram
from memsim.surrogate.fused.scan import Plan, Scanned, scan
from memsim.surrogate.fused.torch_kernel import CompiledTorchKernel, TorchKernel

KERNELS: dict[str, type[Kernel]] = {
    kernel.name: kernel for kernel in (NativeKernel, TorchKernel, CompiledTorchKernel)
}

__all__ = ["KERNELS", "Kernel", "Plan", "Scanned", "StepProgram", "find_compiler", "scan", "scan_coupled"]
