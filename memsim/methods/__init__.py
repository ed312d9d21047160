"""Methods of the literature on memsim's parts: each a folder with studies, and what was published about it."""

from memsim.methods.shipped import Method, load_method, method_names, study_path

__all__ = ["Method", "load_method", "method_names", "study_path"]
