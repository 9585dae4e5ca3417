#!/bin/sh
# What firmware and a kernel of its own would give this machine. Runs once a boot, before basic.target.
set -eu
own=/run/machine-hardware
here=/usr/local/lib/machine-hardware
mkdir -p $own/sysfs $own/sysctl
mount -t sysfs sysfs $own/sysfs
mount -o remount,rw /sys

# Parts of sysfs that the container manager leaves out. A machine with GPUs has the driver's module beside the others.
for part in firmware module power; do
  mkdir -p /sys/$part
  lower=$own/sysfs/$part
  if [ -d $here/sys/$part ]; then mount -t overlay overlay -o lowerdir=$here/sys/$part:$lower /sys/$part
  else mount --bind $lower /sys/$part; fi
done

# networkd takes a read-only /sys to mean that no udev runs here; with a writable one it waits for udev and never
# configures a link.
mount -o remount,ro /sys

# PCI: the outer machine's devices without any of NVIDIA's, and this machine's own.
pci=$own/pci
mkdir -p $pci
for device in $own/sysfs/bus/pci/devices/*; do
  [ -e "$device/vendor" ] || continue
  [ "$(cat "$device/vendor")" = 0x10de ] || ln -s "$(readlink "$device")" $pci/
done
for device in $here/pci/*; do [ -d "$device" ] && cp -r "$device" $pci/; done
if [ -d /sys/bus/pci/devices ]; then mount --bind $pci /sys/bus/pci/devices
else
  mkdir -p $own/bus/pci; mv $pci $own/bus/pci/devices
  mount -t overlay overlay -o lowerdir=$own/bus:/sys/bus /sys/bus
fi

# The driver's face in /proc, or none.
mkdir -p $own/driver
[ ! -d $here/proc/driver ] || cp -r $here/proc/driver/. $own/driver/
[ ! -d /proc/driver ] || mount --bind $own/driver /proc/driver

# Device nodes: the driver's major number is 195; 255 is its control node. nvidia-uvm's major is the kernel's choice on a real
# machine; 511 is the first that it would choose.
if [ -f $here/minors ]; then
  for minor in $(cat $here/minors); do
    [ "$minor" = 255 ] && node=nvidiactl || node=nvidia$minor
    [ -e /dev/$node ] || mknod -m 666 /dev/$node c 195 "$minor"
  done
  [ -e /dev/nvidia-uvm ] || mknod -m 666 /dev/nvidia-uvm c 511 0
  [ -e /dev/nvidia-uvm-tools ] || mknod -m 666 /dev/nvidia-uvm-tools c 511 1
fi

# cgroup v1 controllers are handed over read-only; a kubelet writes them. Each is this machine's own subtree.
for controller in /sys/fs/cgroup/*; do
  mountpoint -q "$controller" && mount -o remount,bind,rw "$controller"
done

# vm.* and kernel.* belong to the outer machine's kernel. This machine gets files of its own, with today's values.
for key in vm/overcommit_memory vm/panic_on_oom vm/max_map_count vm/swappiness kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes kernel/pid_max fs/inotify/max_user_instances fs/inotify/max_user_watches; do
  [ -e /proc/sys/$key ] || continue
  file=$own/sysctl/$(echo $key | tr / .)
  cat /proc/sys/$key > "$file"
  mount --bind "$file" /proc/sys/$key
done

# The kernel's log is the outer machine's.
[ -e /dev/kmsg ] || ln -s console /dev/kmsg
mount --make-rshared /
