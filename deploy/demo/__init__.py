"""The demo host: a private libvirt of the project's own with three small real guests."""
