"""The only room that talks to libvirt: connections, XML as values, reading, writing, events, streams, graphics."""
