"""The real kernel behind a tun device, for record.ts: commands as JSON lines on standard input, answers on standard output.

Run it in a network namespace of its own (unshare -n). Packets that leave are told as they leave, with the time.
"""

import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
lock = threading.Lock()


def tell(**what):
    with lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def shell(command):
    subprocess.run(command, shell=True, check=True)


def open_tun(mtu):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    shell("sysctl -q net.ipv6.conf.all.disable_ipv6=1 && ip link set lo up")
    shell(f"ip addr add 192.168.0.1/16 dev tun0 && ip link set tun0 mtu {mtu} up")
    shell("ip route add 192.0.2.0/24 via 192.168.0.2 dev tun0")
    return tun


def watch(tun):
    while True:
        packet = os.read(tun, 70000)
        tell(out=packet.hex(), at=time.monotonic_ns())


sockets = {}


def value_bytes(value):
    if isinstance(value, str):
        return value.encode()
    return b"".join(struct.pack("i", v if v < 2**31 else v - 2**32) for v in value)


def call(name, fd, args):
    s = sockets.get(fd)
    if name == "socket":
        sockets[args[0]] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        return args[0]
    if name == "bind":
        s.bind(("192.168.0.1", args[0]))
    elif name == "listen":
        s.listen(args[0])
    elif name == "accept":
        sockets[args[0]], _ = s.accept()
        return args[0]
    elif name == "connect":
        s.connect(("192.0.2.1", args[0]))
    elif name == "send":
        return s.send(bytes.fromhex(args[0]), args[1])
    elif name == "recv":
        return len(s.recv(args[0], args[1]))
    elif name == "shutdown":
        s.shutdown(args[0])
    elif name == "close":
        sockets.pop(fd).close()
    elif name == "setsockopt":
        s.setsockopt(args[0], args[1], value_bytes(args[2]))
    elif name == "getsockopt":
        return s.getsockopt(args[0], args[1])
    elif name == "blocking":
        s.setblocking(args[0])
    elif name == "ioctl":
        return struct.unpack("i", fcntl.ioctl(s.fileno(), args[0], b"\0\0\0\0"))[0]
    elif name == "info":
        return list(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))
    return 0


def answer(number, name, fd, args):
    try:
        result = call(name, fd, args)
        code = None
    except OSError as e:
        result, code = -1, errno.errorcode[e.errno]
    tell(answer=number, result=result, errno=code, at=time.monotonic_ns())


def main():
    # Real-time priority where it is allowed: the times are what is measured.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass
    tun = None
    for line in sys.stdin:
        command = json.loads(line)
        if "mtu" in command:
            tun = open_tun(command["mtu"])
            threading.Thread(target=watch, args=(tun,), daemon=True).start()
            tell(ready=True, at=time.monotonic_ns())
        elif "sysctl" in command:
            shell(f"sysctl -q '{command['sysctl']}={command['value']}'")
        elif "inject" in command:
            os.write(tun, bytes.fromhex(command["inject"]))
        else:
            arguments = (command["number"], command["call"], command["fd"], command["args"])
            if command["blocks"]:
                threading.Thread(target=answer, args=arguments, daemon=True).start()
            else:
                answer(*arguments)


main()
