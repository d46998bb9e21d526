// Proves: curl, wget (GNU's and busybox's), nc, socat and ss print in the emulated network what the real ones print on a real
// kernel, with the same exit statuses, and send the same bytes; clocks and ephemeral ports aside. Needs root and the tools.

import { spawn, spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { runLab, TOPOLOGY } from './lab.ts';

const OK = 'HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n';
const CLOSE = 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\nhello\\n';
const OLD = 'HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n';
const CHUNKED = 'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n6\\r\\nhello\\n\\r\\n0\\r\\n\\r\\n';
const PARTIAL = 'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhello\\n';
const CHUNK_CUT = 'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n6\\r\\nhello\\n';
const MISSING = 'HTTP/1.1 404 Not Found\\r\\nContent-Length: 5\\r\\n\\r\\nnone\\n';
const FOUND = 'HTTP/1.1 302 Found\\r\\nLocation: /there\\r\\nContent-Length: 0\\r\\n\\r\\n';
const JUNK = 'what is this\\n';
const BAD_LENGTH = 'HTTP/1.1 200 OK\\r\\nContent-Length: abc\\r\\n\\r\\nhello\\n';
const URL = 'http://10.9.1.1/x';

/** What the server answers with, and the client's command. The request is printed behind the client's output. */
const EXCHANGES: readonly (readonly [answer: string, command: string])[] = [
  [OK, `curl -s ${URL}`],
  [OK, `curl -sv -o /dev/null ${URL}`],
  [OK, `curl -si ${URL}`],
  [
    OK,
    `curl -s -o /dev/null -w '%{http_code} %{size_download} %{size_header} %{size_request} %{num_connects} %{content_type} %{remote_ip}:%{remote_port} %{local_ip} %{http_version} %{scheme} %{method} %{url_effective} %{nope}|%%|\\n' ${URL}`,
  ],
  [OK, `curl -s -d a=b -H 'X-A: 1' -b c=d -u u:p -e ref -A agent --compressed ${URL}`],
  [OK, `curl -s -X PUT --data-raw '{}' -H 'Content-Type: application/json' ${URL}?q=1#frag`],
  [OK, `curl -s --json '{"a":1}' ${URL}`],
  [OK, `curl -s --http1.0 -H 'Host: web' -H 'Accept:' ${URL}`],
  [OK, `curl -s -G -d a=b -d c=d ${URL}`],
  [OK, `curl -sv --local-port 5000 -o /dev/null ${URL}`],
  [OK, `curl -sv --resolve web:80:10.9.1.1 -o /dev/null http://web/a/../b`],
  [CLOSE, `curl -sv -o /dev/null ${URL}`],
  [OLD, `curl -sv -o /dev/null ${URL}`],
  [CHUNKED, `curl -sv -o /dev/null ${URL}`],
  [PARTIAL, `curl -sS -o /dev/null ${URL}`],
  [CHUNK_CUT, `curl -sS -o /dev/null ${URL}`],
  [MISSING, `curl -sS -f ${URL}`],
  [MISSING, `curl -s ${URL}`],
  [FOUND, `curl -s -w '%{http_code} %{redirect_url}\\n' ${URL}`],
  [JUNK, `curl -sS ${URL}`],
  [BAD_LENGTH, `curl -sS ${URL}`],
  ['', `curl -sS ${URL}`],
  [OK, `wget -qO- ${URL}`],
  [OK, `wget -S -q -O /dev/null ${URL}`],
  [OK, `wget -O /dev/null ${URL}`],
  [CHUNKED, `wget -nv -O /dev/null ${URL}`],
  [MISSING, `wget -t 1 -O /dev/null ${URL}`],
  ['', `wget -t 1 -O /dev/null ${URL}`],
  [OK, `wget -qO- --post-data a=b --header 'X-A: 1' ${URL}`],
  [OLD, `busybox wget -qO- ${URL}`],
  [MISSING, `busybox wget -O- ${URL}`],
  ['hello from b\\n', `sh -c 'echo hello from a | nc -N 10.9.1.1 80'`],
  ['hello from b\\n', 'nc -v -N 10.9.1.1 80'],
  ['hello from b\\n', `sh -c 'printf 12345 | socat - TCP:10.9.1.1:80'`],
];

/** Commands without a server. */
const ALONE: readonly string[] = [
  `curl -sS ${URL}`,
  `curl -sv ${URL}`,
  'curl -sS http://10.88.0.1/',
  'curl -sS --connect-timeout 1 http://10.79.0.1/',
  'curl -sS foo://x/',
  'curl -sS http://',
  'curl -sS http://10.9.1.1:99999/',
  'curl',
  'curl --nope x',
  'curl -m',
  `curl -s -w '%{http_code} %{exitcode} %{errormsg}\\n' ${URL}`,
  `curl -sS --interface 1.2.3.4 ${URL}`,
  `wget -q -t 1 ${URL}`,
  `wget -t 1 ${URL}`,
  `busybox wget -O- ${URL}`,
  'nc -z 10.9.1.1 80',
  'nc -zv 10.9.1.1 80',
  'nc -zv localhost 80',
  'nc -zv -w 1 10.79.0.1 80',
  'ss -tln',
  'ss -uan',
];

function missing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'curl', 'wget', 'busybox', 'nc', 'socat', 'ss', 'netstat', 'iperf3', 'unshare']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  const versions: readonly (readonly [string, string])[] = [
    ['curl --version', 'curl 7.88.1'],
    ['wget --version', 'GNU Wget 1.21.3'],
    ['nc -h 2>&1', 'OpenBSD netcat'],
    ['ss -V', 'iproute2-6.1'],
    ['iperf3 -v', 'iperf 3.12'],
  ];
  for (const [command, version] of versions) {
    if (!spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout.includes(version)) return `no ${version}`;
  }
  return spawnSync('unshare', ['-m', '-n', 'true']).status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`tcp-programs: skipped, ${reason}`);

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const SCRIPT = [
  ...EXCHANGES.map(
    ([answer, command], i) => `echo; echo "== ${i}"
(printf '${answer}' | ip netns exec b nc -lN 80 > /tmp/podwire-request) & server=$!
sleep 0.2
ip netns exec a bash -c ${quoted(command)} 2>&1
echo "status $?"
wait $server
cat /tmp/podwire-request`,
  ),
  ...ALONE.map(
    (command, i) => `echo; echo "== ${EXCHANGES.length + i}"
ip netns exec a bash -c ${quoted(command)} 2>&1
echo "status $?"`,
  ),
  `echo; echo "== ss"
ip netns exec r nc -lk 7000 > /dev/null & server=$!
sleep 0.2
printf 12345 | ip netns exec a nc -w 1 -p 4000 10.9.0.2 7000 & client=$!
sleep 0.3
ip netns exec r ss -tan
ip netns exec r ss -Htan
ip netns exec r ss -tn
ip netns exec r ss -tuanl
ip netns exec r netstat -tan
ip netns exec r netstat -tuln
ip netns exec r netstat -tn
ip netns exec a ss -tan 'dport = :7000'
ip netns exec a ss -tn state established dst 10.9.0.2
ip netns exec a ss -tan 'dst 10.9.0.2:7000 and not sport = :4000'
ip netns exec a ss -tuan '( dport = :7000 or dport = :7001 )'
wait $client
sleep 0.1
ip netns exec a ss -tan 'dport = :7000'
ip netns exec a ss -tn 'dport = :7000'
kill $server`,
  `echo; echo "== iperf3"
ip netns exec r iperf3 -s -1 > /tmp/podwire-iperf & server=$!
sleep 0.3
ip netns exec a iperf3 -c 10.9.0.2 -t 2 -b 5M; echo "status $?"
wait $server; cat /tmp/podwire-iperf
ip netns exec r iperf3 -s -1 > /tmp/podwire-iperf & server=$!
sleep 0.3
ip netns exec a iperf3 -c 10.9.0.2 -t 2 -b 5M -R -P 2 -f m; echo "status $?"
wait $server; cat /tmp/podwire-iperf
ip netns exec a iperf3 -c 10.9.0.2 2>&1; echo "status $?"`,
].join('\n');

function sections(text: string): Map<string, string> {
  const told = text
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
    .replace(/after \d+ ms/g, 'after N ms')
    .replace(/\([\d.]+ [KMG]?B\/s\)/g, '(RATE)')
    .replace(/[\d.]+[KMG]?=[\d.]+s/g, 'RATE')
    .replace(/\s+RATE/g, ' RATE')
    // iperf3: ephemeral ports, the congestion window, and tail-loss probes that a busy host sends.
    .replace(/port \d+( connected|$)/gm, 'port N$1')
    .replace(/connected to (\S+) port (?!5201)\d+/g, 'connected to $1 port N')
    .replace(/\d+ {3} *[\d.]+ [KM]Bytes {7}$/gm, 'CWND')
    .replace(/\d+ {13}sender$/gm, 'N sender')
    .replace(
      /([\d.]+)-([\d.]+) +sec .*?[KM]?bits\/sec/g,
      (_all, a: string, b: string) => `${Math.round(+a)}-${Math.round(+b)} sec`,
    )
    // what was left behind the last whole second
    .replace(/^\[.{3}\] +(\d+)-\1 sec.*\n/gm, '');
  return new Map(
    told
      .split(/^== /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );
}

function runReal(): Promise<string> {
  const script = `mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns; }\n${TOPOLOGY}\n${SCRIPT}`;
  return new Promise((done) => {
    const child = spawn('unshare', ['-m', '-n', 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
    });
    child.on('close', () => done(text));
  });
}

describe.skipIf(reason !== null)('programs over TCP agree with the real ones', () => {
  let real = new Map<string, string>();
  let ours = new Map<string, string>();

  beforeAll(async () => {
    const [a, b] = await Promise.all([runReal(), runLab(`${TOPOLOGY}\n${SCRIPT}`)]);
    real = sections(a);
    ours = sections(b.output);
  }, 120_000);

  const commands = [...EXCHANGES.map(([, command]) => command), ...ALONE];
  it.each([
    ...commands.map((command, i) => [command, String(i)]),
    ['ss while a connection stands and after', 'ss'],
    ['iperf3 at a rate, both ways', 'iperf3'],
  ])('%s', (_command, key) => {
    expect(real.get(key)).toBeDefined();
    expect(ours.get(key)).toBe(real.get(key));
  });
});
