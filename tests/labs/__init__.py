"""What live and browser tests stand on: a private libvirt with real guests, the running product, test-driver hosts."""
