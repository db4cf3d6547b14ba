#!/bin/bash
# PID 1 of the demo host's namespaces (root only): sees to the mounts, then reaps until it is killed.
# usage: unshare -m -n -p -f --kill-child --mount-proc bash namespace-init.sh DIRECTORY
set -u
D=$1
mkdir -p /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
mount --bind "$D/etc" /etc/libvirt
mount --bind "$D/lib" /var/lib/libvirt
mount --bind "$D/log" /var/log/libvirt
mount --bind "$D/cache" /var/cache/libvirt
# A /dev/kvm that exists but does not work makes libvirt probe QEMU at every define, 5 to 12 s each. An ordinary empty
# file, read-only, hides it; /dev/null would not: it is writable, so libvirt thinks that KVM came back.
if [ -e /dev/kvm ]; then
    mount --bind "$D/no-kvm" /dev/kvm
    mount -o remount,bind,ro /dev/kvm
fi
# libvirtd of root needs this user whatever qemu.conf says; libvirt-daemon-system would bring it.
cp /etc/passwd "$D/passwd"
grep -q ^libvirt-qemu: /etc/passwd ||
    echo libvirt-qemu:x:65534:65534::/nonexistent:/usr/sbin/nologin >>"$D/passwd"
cp /etc/group "$D/group"
for group in kvm libvirt-qemu; do
    grep -q "^$group:" /etc/group || echo "$group:x:65534:" >>"$D/group"
done
mount --bind "$D/passwd" /etc/passwd
mount --bind "$D/group" /etc/group
ip link set lo up
ip link add demo0 type bridge && ip link set demo0 up # the guests' network; without it they get user NICs
: >"$D/run/ready"
# /run as a whole and last: libvirtd's pid file is /run/libvirtd.pid, and D may lie below /run.
mount --bind "$D/run" /run
# Outlives libvirtd, or stopping libvirtd would end every guest; bash reaps what is orphaned while it waits.
sleep infinity &
while :; do wait -n; done
