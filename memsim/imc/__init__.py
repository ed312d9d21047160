"""In-memory computing: hardware cards, converters, networks mapped to tiles, and training for them."""

from memsim.imc.hardware import HardwareCard, hardware_names, load_hardware

__all__ = ["HardwareCard", "hardware_names", "load_hardware"]
