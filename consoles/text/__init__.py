"""Text consoles: one reader per device, any number of people at it.

browser ⇄ consumer.py (web) ⇄ unix socket ⇄ broker.py, viewer.py ⇄ device.py ⇄ one libvirt stream
"""
