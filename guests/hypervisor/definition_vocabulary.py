"""Names of a domain XML (libvirt's formatdomain), by what they can reach: for `definition_rules`."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP_LEVEL = _words(
    "name uuid genid title description metadata maxMemory memory currentMemory memoryBacking memtune numatune blkiotune"
    " vcpu vcpus iothreads iothreadids defaultiothread cputune cpu sysinfo os features clock on_poweroff on_reboot"
    " on_crash on_lockfailure pm perf keywrap devices"
)
DEVICES = _words(
    "disk controller interface serial parallel console channel input graphics video sound audio watchdog memballoon rng"
    " tpm panic memory iommu vsock hub redirdev redirfilter nvram"
)
# Wherever they stand.
NAMED = _words(
    "seclabel hostdev filesystem emulator loader script backenddomain auth encryption reservations cookies"
    " init initarg initenv initdir inituser initgroup"
)
# Which kinds of a device lead to nothing outside the guest.
HARMLESS_TYPES = {
    "serial": {"pty", "null", "vc"},
    "parallel": {"pty", "null", "vc"},
    "console": {"pty", "null", "vc"},
    "channel": {"pty", "null", "unix", "spicevmc", "spiceport", "qemu-vdagent"},
    "redirdev": {"spicevmc"},
    "graphics": {"vnc", "spice"},
    "audio": {"none", "spice", "dbus"},
    "input": {"tablet", "mouse", "keyboard"},
}
SOURCES_OF_ENTROPY = {"/dev/urandom", "/dev/random"}
# Where a path stands that need not begin with a slash.
PATHS = {
    *(("source", name) for name in ("file", "dev", "dir", "path", "socket", "evdev")),
    *((name, "") for name in ("kernel", "initrd", "dtb", "shim", "nvram", "loader", "table", "path")),
    ("nvram", "template"),
    ("entry", "file"),
    ("log", "file"),
    ("rom", "file"),
}
FREE_TEXT = {"name", "title", "description", "cmdline", "bootloader_args"}
HARMLESS_METADATA = {"http://libosinfo.org/xmlns/libvirt/domain/1.0"}
OF_A_NIC_ITSELF = _words("mac model link bandwidth boot address alias mtu target driver rom acpi")
OF_A_DISK_S_STORE = _words("source backingStore mirror dataStore readonly shareable transient")
READ_ONLY_FILES = {"kernel", "initrd", "dtb"}
