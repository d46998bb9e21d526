// Proves that the web servers outlive what is no HTTP: random bytes, half requests, floods of pipelined ones; after each, a
// plain request is answered, and no frame is lost.

import { describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { runLab } from './lab.ts';

const NETWORK = `
ip netns add a; ip netns add b
ip link add eth0 netns a type veth peer name eth0 netns b
ip -n a addr add 10.0.0.1/24 dev eth0; ip -n b addr add 10.0.0.2/24 dev eth0
ip -n a link set eth0 up; ip -n b link set eth0 up
`;

/** server, its port, what a plain request for / is answered with */
const SERVERS = [
  ["nginx -g 'daemon off;'", 80, '200'],
  ['agnhost netexec', 8080, '200'],
  ['python3 -m http.server --directory /nowhere 8000', 8000, '404'],
  ['httpd.py 8001 name', 8001, '200'],
] as const;

const HOSTILE: readonly (readonly [what: string, send: string])[] = [
  ['control characters', "printf '\\x00\\x01\\x02\\xff\\r\\n\\r\\n'"],
  ['half a request line', "printf 'GET /'"],
  ['a head that never ends', "printf 'GET / HTTP/1.1\\r\\nX: y\\r\\n'"],
  ['a body that does not come', "printf 'POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1000\\r\\n\\r\\nabc'"],
  ['two lengths', "printf 'POST / HTTP/1.1\\r\\nContent-Length: 3\\r\\nContent-Length: 4\\r\\n\\r\\nabcd'"],
  [
    'a chunk size beyond all sense',
    "printf 'POST / HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nfffffffffffff\\r\\n'",
  ],
  ['a way out of the directory', "printf 'GET /../../../../etc/passwd HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'"],
  ['bad escapes', "printf 'GET /%%zz%%00 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'"],
  ['two hundred requests at once', "for i in $(seq 200); do printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'; done"],
  ['nothing', 'true'],
];

describe.each(SERVERS)('%s', (server, port, status) => {
  it('answers a plain request after each of them', async () => {
    const before = framesInUse();
    const attacks = HOSTILE.map(
      ([, send], i) => `(${send}) | ip netns exec a timeout 5 nc -q 1 10.0.0.2 ${port} > /tmp/answer
echo "${i}: $(ip netns exec a curl -s -m 5 -o /dev/null -w '%{http_code}' http://10.0.0.2:${port}/)"`,
    );
    const script = `${NETWORK}
ip netns exec b ${server} > /tmp/log 2>&1 & server=$!
sleep 1
${attacks.join('\n')}
kill $server
sleep 200`;
    const { output } = await runLab(script);
    expect(output).toBe(HOSTILE.map((_, i) => `${i}: ${status}\n`).join(''));
    expect(framesInUse()).toBe(before);
  });
});

describe('what a request says', () => {
  it.each([
    ["nginx -g 'daemon off;'", 80, '\\x1B[2J'],
    ['python3 -m http.server --directory /nowhere 8000', 8000, '\\x1b[2J'],
  ])('reaches the log of %s without control characters', async (server, port, escaped) => {
    const { output } = await runLab(`${NETWORK}
ip netns exec b ${server} > /tmp/log 2>&1 & server=$!
sleep 1
printf 'GET /\\x1b[2J HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | ip netns exec a timeout 5 nc -q 1 10.0.0.2 ${port} > /tmp/answer
printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nUser-Agent: a\\r\\n \\x1b[31m\\r\\n\\r\\n' | ip netns exec a timeout 5 nc -q 1 10.0.0.2 ${port} > /tmp/answer
kill $server
cat /tmp/log`);
    expect(output).toContain(escaped);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(output).not.toMatch(/[\0-\x09\x0b-\x1f\x7f]/);
  });
});

describe('an iperf3 server that is none', () => {
  it.each([
    ['says twice that the test runs', '\\x09\\x0a\\x01\\x02\\x02'],
    ['shows results before there are any', '\\x09\\x0e'],
    ['wants results before the end', '\\x09\\x0a\\x01\\x02\\x0d'],
    ['goes back', '\\x0a\\x09'],
  ])('that %s is told off', async (_, states) => {
    const before = framesInUse();
    const { output } = await runLab(`${NETWORK}
printf '${states}' | ip netns exec b nc -l -k 5201 > /tmp/got & server=$!
sleep 1
ip netns exec a iperf3 -c 10.0.0.2 -t 1 2>&1 | tail -n 1
kill $server
sleep 200`);
    expect(output).toMatch(/^iperf3: error - received an unknown control message/);
    expect(framesInUse()).toBe(before);
  });
});
