"""A router of the real kernel: two tun devices in a network namespace of its own, conntrack and rules between them.

Reads {"setup": [shell commands], "rounds": [[[side, hex of an IPv4 packet], ...], ...], "wait": [seconds after each round]}
from standard input; writes [{"out": [[side, hex], ...], "list": "conntrack -L"}, ...], one for each round.
"""
import fcntl, json, os, select, struct, subprocess, sys, time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def tun(name, address):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH', name.encode(), IFF_TUN | IFF_NO_PI))
    sh(f'ip addr add {address} dev {name}; ip link set dev {name} up')
    return fd


def drain(fds, out):
    while True:
        ready, _, _ = select.select(list(fds.values()), [], [], 0.03)
        if not ready:
            return
        for side, fd in fds.items():
            if fd in ready:
                try:
                    packet = os.read(fd, 70000)
                except BlockingIOError:
                    continue
                # What the kernel says on its own (IPv6 router solicitations) is no answer.
                if packet[0] >> 4 == 4:
                    out.append([side, packet.hex()])


def main():
    job = json.load(sys.stdin)
    sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ip link set lo up')
    fds = {'a': tun('a', '10.1.0.1/24'), 'b': tun('b', '10.2.0.1/24')}
    sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.a.rp_filter=0 net.ipv4.conf.b.rp_filter=0')
    for command in job['setup']:
        sh(command)
    result = []
    for number, packets in enumerate(job['rounds']):
        out = []
        for i, (side, packet) in enumerate(packets):
            os.write(fds[side], bytes.fromhex(packet))
            if i % 32 == 31:
                drain(fds, out)
        drain(fds, out)
        result.append({'out': out, 'list': sh('conntrack -L 2>/dev/null')})
        time.sleep(job['wait'][number])
    json.dump(result, sys.stdout)


main()
