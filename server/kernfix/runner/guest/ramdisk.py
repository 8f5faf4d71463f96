"""The guest's initial RAM disk: busybox, an init script, and the reproducer."""

from __future__ import annotations

from kernfix.runner.guest.cpio import archive, character_device, folder, program

# The script reports over the second serial port, never the console: what the kernel and the reproducer print cannot be taken for it.
# The kernel hands a parameter that it does not know, such as kernfix_run=…, to init as an environment variable.
INIT = b"""#!/bin/busybox sh
b=/bin/busybox
run=$kernfix_run
unset kernfix_run
for fs in proc:/proc sysfs:/sys devtmpfs:/dev tmpfs:/tmp debugfs:/sys/kernel/debug; do
	$b mount -t ${fs%%:*} ${fs%%:*} ${fs#*:} 2>/dev/null
done
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts devpts /dev/pts 2>/dev/null
[ -c /dev/ttyS1 ] || $b mknod /dev/ttyS1 c 4 65
$b ifconfig lo 127.0.0.1 up 2>/dev/null
echo "boot $run" >/dev/ttyS1
cd /tmp
/repro </dev/null
status=$?
$b sleep 0.5
echo "end $run $status" >/dev/ttyS1
$b reboot -f
"""


def ramdisk(busybox: bytes, reproducer: bytes) -> bytes:
    """The RAM disk, with `busybox` and `reproducer` being statically linked programs."""
    folders = ("bin", "dev", "proc", "sys", "tmp", "mnt", "root")
    devices = (("dev/console", 5, 1), ("dev/null", 1, 3), ("dev/ttyS0", 4, 64), ("dev/ttyS1", 4, 65))
    fixed = [
        *(folder(name) for name in folders),
        *(character_device(*device) for device in devices),
        program("bin/busybox", busybox),
        program("init", INIT),
    ]
    return archive([*fixed, program("repro", reproducer)])
