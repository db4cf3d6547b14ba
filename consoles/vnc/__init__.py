"""Graphical consoles: a relay between noVNC in the browser and the VNC server of a guest, on websockify's classes."""
