# Runs the operations that it reads from stdin (JSON) on a real Linux bridge, in a network namespace of its own, and prints
# who received each frame, in order, and the forwarding database at the end. Run under `unshare --net`.
import json, select, socket, subprocess, sys

PORTS = 4
ETH_P_ALL = 3
PACKET_OUTGOING = 4
TYPE = b"\x88\xb5"

def sh(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

def mac(n):
    return bytes([2, 0, 0, 0, 0, n])

open("/proc/sys/net/ipv6/conf/all/disable_ipv6", "w").write("1")
open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w").write("1")
sh("ip", "link", "add", "br0", "address", "02:00:00:00:00:ff", "type", "bridge")
sh("ip", "link", "set", "br0", "up")
sockets = {}
for n in range(1, PORTS + 1):
    sh("ip", "link", "add", f"e{n}", "address", f"02:00:00:00:20:0{n}", "type", "veth",
       "peer", "name", f"p{n}", "address", f"02:00:00:00:10:0{n}")
    sh("ip", "link", "set", f"e{n}", "up")
    sh("ip", "link", "set", f"p{n}", "up")
    sh("ip", "link", "set", f"p{n}", "master", "br0")
for name in ["br0"] + [f"e{n}" for n in range(1, PORTS + 1)]:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((name, 0))
    sockets[name] = s
# The ports are usable once linkwatch has seen their carrier.
for _ in range(100):
    if sh("bridge", "link", "show").count("state forwarding") == PORTS:
        break
    select.select([], [], [], 0.05)

results = []
for op in json.load(sys.stdin):
    if op[0] == "send":
        _, port, to, source = op
        destination = {0: b"\xff" * 6, 8: bytes.fromhex("01005e010203"), 9: bytes.fromhex("0200000000ff")}.get(to, mac(to))
        frame = destination + mac(source) + TYPE + bytes(46)
        sockets[f"e{port}"].send(frame)
        got = []
        while True:
            ready, _, _ = select.select(list(sockets.values()), [], [], 0.01)
            if not ready:
                break
            for name, s in sockets.items():
                if s not in ready:
                    continue
                data, where = s.recvfrom(2000)
                if where[2] != PACKET_OUTGOING and data[12:14] == TYPE:
                    got.append(name)
        results.append(sorted(got))
    elif op[0] == "flag":
        sh("bridge", "link", "set", "dev", f"p{op[1]}", op[2], "on" if op[3] else "off")
    elif op[0] == "fdb":
        _, verb, n, port, state = op
        words = ["bridge", "fdb", verb, f"02:00:00:00:00:0{n}", "dev", f"p{port}", "master"] + ([state] if verb != "del" else [])
        results.append([subprocess.run(words, capture_output=True, text=True).stderr.replace("RTNETLINK answers: ", "").strip()])
    else:
        sh("ip", "link", "set", f"p{op[1]}", "nomaster")
        sh("ip", "link", "set", f"p{op[1]}", "master", "br0")

shown = []
for line in sh("bridge", "fdb", "show", "br", "br0").splitlines():
    words = line.split()
    if "self" in words or "offload" in words:
        continue
    state = words[-1] if words[-1] in ("permanent", "static") else "dynamic"
    shown.append(f"{words[0]} {words[2]} {state}")
print(json.dumps({"results": results, "fdb": shown}))
