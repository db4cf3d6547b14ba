#!/bin/bash
# Build a tiny real Linux guest from Debian packages: DIRECTORY/vmlinuz and DIRECTORY/initrd.gz (about 1 MB).
# Boots in about 3 s under QEMU's software emulation, with a root shell on ttyS0, hvc0 and tty1; virtio balloon, disk
# and network drivers, SCSI disks and CD-ROMs; an ACPI power button (poweroff on `virsh shutdown`). Runs as root or not;
# installs nothing.
# usage: guest-image.sh DIRECTORY
set -euo pipefail
directory=$(realpath "${1:?usage: guest-image.sh DIRECTORY}")
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
[ -x /bin/busybox ] && command -v cpio >/dev/null || {
    echo "busybox-static and cpio are needed: apt-get install --no-install-recommends busybox-static cpio" >&2
    exit 1
}

# Debian's cloud kernel, unpacked and not installed; else a kernel that the machine itself boots.
package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/{print $2; exit}')
if [ -n "$package" ] && apt-get download -qq "$package" >apt.log 2>&1; then
    dpkg -x "$package"_*.deb kernel
else
    for image in /boot/vmlinuz-*; do
        version=${image#/boot/vmlinuz-}
        [ -r "$image" ] && [ -d "/lib/modules/$version/kernel" ] || continue
        mkdir -p kernel/boot kernel/lib/modules
        cp "$image" kernel/boot/
        ln -s "/lib/modules/$version" kernel/lib/modules/
        break
    done
fi
[ -d kernel ] || {
    echo "no kernel: linux-image-cloud-amd64 cannot be downloaded (try apt-get update as root), and /boot has none" >&2
    exit 1
}
version=$(ls kernel/lib/modules)
modules=kernel/lib/modules/$version/kernel

mkdir -p root/bin root/proc root/sys root/dev root/etc/acpi/PWRF root/lib/modules
cp /bin/busybox root/bin/
# The order matters: virtio needs virtio_ring.
names=""
for module in drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev \
    drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/virtio/virtio_balloon \
    drivers/virtio/virtio_mem \
    drivers/block/virtio_blk net/core/failover drivers/net/net_failover drivers/net/virtio_net drivers/acpi/button \
    drivers/input/evdev drivers/char/virtio_console drivers/cdrom/cdrom drivers/scsi/scsi_common \
    drivers/scsi/scsi_mod drivers/scsi/sd_mod drivers/scsi/sr_mod drivers/scsi/virtio_scsi drivers/ata/libata \
    drivers/ata/ata_piix fs/isofs/isofs; do
    if [ -e "$modules/$module.ko" ]; then
        cp "$modules/$module.ko" root/lib/modules/
        names="$names ${module##*/}"
    fi
done
printf '#!/bin/sh\npoweroff -f\n' >root/etc/acpi/PWRF/00000080
chmod +x root/etc/acpi/PWRF/00000080

cat >root/init <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
mkdir -p /dev/pts /tmp /var/run /var/log; mount -t devpts p /dev/pts
# Hot-added memory comes online where it can be taken out again; DIMMs of the boot are there already.
echo online_movable > /sys/devices/system/memory/auto_online_blocks 2>/dev/null
for state in /sys/devices/system/memory/memory*/state; do
    grep -q offline "\$state" && echo online_movable > "\$state"
done 2>/dev/null
for m in$names; do insmod /lib/modules/\$m.ko 2>/dev/null; done
hostname "\$(sed -n 's/.*guest=\([^ ]*\).*/\1/p' /proc/cmdline)" 2>/dev/null
address=\$(sed -n 's/.*address=\([^ ]*\).*/\1/p' /proc/cmdline)
ip link set lo up; [ -z "\$address" ] || { ip addr add "\$address/24" dev eth0; ip link set eth0 up; } 2>/dev/null
export PS1='\h:\w# ' HOME=/ TERM=linux
acpid 2>/dev/null
# Hot-added vCPUs come online by this loop.
(while :; do
    for c in /sys/devices/system/cpu/cpu*/online; do [ "\$(cat \$c)" = 0 ] && echo 1 > \$c; done 2>/dev/null
    sleep 1
done) &
# A little life for the figures: a few blocks written and a few packets sent.
(while :; do
    dd if=/dev/urandom of=/dev/vda bs=16k count=4 conv=fsync
    ping -c 2 -W 1 -s 1000 10.77.0.1; ping -c 2 -W 1 -s 1000 10.77.0.2
    sleep 3
done) >/dev/null 2>&1 &
shell_on() { while :; do setsid sh -c "exec sh -l </dev/\$1 >/dev/\$1 2>&1"; sleep 1; done; }
for t in ttyS0 hvc0 tty1; do
    [ -c /dev/\$t ] && { echo "guest \$(hostname) is up on \$t, Linux \$(uname -r)" > /dev/\$t; shell_on \$t & }
done
while :; do sleep 1000; done
INIT
chmod +x root/init
(cd root && find . | cpio -o -H newc 2>/dev/null | gzip -9) >"$directory/initrd.gz"
cp kernel/boot/vmlinuz-* "$directory/vmlinuz"
chmod 644 "$directory/vmlinuz" "$directory/initrd.gz"
