// Proves: our nginx and our python3 -m http.server answer requests, good and bad, with the heads of the real ones, field by
// field and in their order; dates and the text of nginx's own pages aside. Needs root, nginx 1.22.1 and Python 3.11.

import { spawn, spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { runLab } from './lab.ts';

const HOST = '\\r\\nHost: x\\r\\n\\r\\n';
const REQUESTS: readonly string[] = [
  `GET / HTTP/1.1${HOST}`,
  `HEAD / HTTP/1.1${HOST}`,
  `GET /file.txt HTTP/1.1${HOST}`,
  `GET /file.json?query HTTP/1.1${HOST}`,
  `GET /%%66ile.txt HTTP/1.0\\r\\n\\r\\n`,
  `GET /dir HTTP/1.1${HOST}`,
  `GET /dir/ HTTP/1.1${HOST}`,
  `GET /nothing HTTP/1.1${HOST}`,
  `HEAD /nothing HTTP/1.1${HOST}`,
  `GET /file.txt/ HTTP/1.1${HOST}`,
  'GET / HTTP/1.0\\r\\n\\r\\n',
  'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n',
  'POST /file.txt HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 3\\r\\n\\r\\nabc',
  `GET /file.txt HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /nothing HTTP/1.1${HOST}`,
];
/** What only nginx answers in a way of its own. */
const NGINX_REQUESTS: readonly string[] = [
  'GET / HTTP/1.1\\r\\n\\r\\n',
  'hello\\r\\n\\r\\n',
  'GET / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: abc\\r\\n\\r\\n',
  `GET / HTTP/2.0${HOST}`,
  'POST / HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: foo\\r\\n\\r\\n',
  `OPTIONS /file.txt HTTP/1.1${HOST}`,
  `PUT /nothing HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n`,
  `GET /../etc/passwd HTTP/1.1${HOST}`,
];

const FILES = (root: string): string => `
mkdir -p ${root}/dir
printf '%0615d' 0 > ${root}/index.html
printf 'hello\\n' > ${root}/file.txt
printf '{}' > ${root}/file.json
printf 'inside\\n' > ${root}/dir/index.html
`;

function missing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['nginx', 'nc', 'unshare', '/usr/bin/python3']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  if (!spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr.includes('nginx/1.22.1')) return 'nginx is not 1.22.1';
  const python = spawnSync('/usr/bin/python3', ['-V'], { encoding: 'utf8' }).stdout;
  if (!python.includes('Python 3.11.')) return 'Python is not 3.11';
  return spawnSync('unshare', ['-m', '-n', 'true']).status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`web-servers: skipped, ${reason}`);

function ask(requests: readonly string[], port: number, name: string): string {
  return requests
    .map((request, i) => `echo; echo "== ${name} ${i}"; printf '${request}' | timeout 5 nc -q 1 127.0.0.1 ${port}`)
    .join('\n');
}

const SCRIPT = `
sleep 1
${ask([...REQUESTS, ...NGINX_REQUESTS], 80, 'nginx')}
${ask(REQUESTS, 8000, 'python')}
kill $nginx $python`;

const OURS = `
ip link set lo up
${FILES('/usr/share/nginx/html')}
nginx -g 'daemon off;' > /dev/null & nginx=$!
python3 -m http.server --directory /usr/share/nginx/html 8000 > /dev/null 2>&1 & python=$!
${SCRIPT}`;

const CONF =
  'daemon off; master_process off; pid $d/pid; error_log /dev/null; events {} http { access_log off; include /etc/nginx/mime.types; server { listen 80; root $d/www; index index.html; } }';
const REAL = `
ip link set lo up
d=$(mktemp -d)
${FILES('$d/www')}
chmod -R a+rX $d
echo "${CONF}" > $d/conf
nginx -c $d/conf & nginx=$!
/usr/bin/python3 -m http.server --directory $d/www 8000 > /dev/null 2>&1 & python=$!
${SCRIPT}
rm -r $d`;

/** Heads and bodies, without dates; the bodies of nginx's errors count by their length. */
function sections(text: string): Map<string, string> {
  const told = text
    .replace(/^(Date|Last-Modified): .*$/gm, '$1: T')
    .replace(/^ETag: "[0-9a-f]+-/gm, 'ETag: "T-')
    .replace(/Python\/3\.11\.\d+/g, 'Python/3.11');
  return new Map(
    told
      .split(/^== /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1).trimEnd()]),
  );
}

function runReal(): Promise<string> {
  return new Promise((done) => {
    const child = spawn('unshare', ['-m', '-n', 'bash', '-c', REAL], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
    });
    child.on('close', () => done(text));
  });
}

describe.skipIf(reason !== null)('web servers agree with the real ones', () => {
  let real = new Map<string, string>();
  let ours = new Map<string, string>();

  beforeAll(async () => {
    const [a, b] = await Promise.all([runReal(), runLab(OURS)]);
    real = sections(a);
    ours = sections(b.output);
  }, 180_000);

  it.each([
    ...[...REQUESTS, ...NGINX_REQUESTS].map((request, i) => [`nginx ${i}`, request]),
    ...REQUESTS.map((request, i) => [`python ${i}`, request]),
  ])('%s: %s', (key) => {
    expect(real.get(key)).toBeDefined();
    expect(ours.get(key)).toBe(real.get(key));
  });
});
