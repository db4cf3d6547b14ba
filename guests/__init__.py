"""Guests of libvirt hosts: what they are, what they use, what may be asked of them, and who may ask."""
