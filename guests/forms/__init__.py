"""What people fill in: memory and vCPUs of a guest. Forms check against the inventory and ask; the worker decides."""

from guests.forms.memory_form import MemoryForm
from guests.forms.vcpus_form import VCPUsForm

__all__ = ["MemoryForm", "VCPUsForm"]
