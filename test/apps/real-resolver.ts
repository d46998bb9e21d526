// Runs lookups beside the name server of query-log.ts, in namespaces of their own, and reads the pages of its log.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** The name server's address, for both worlds. */
export const NETWORK = 'ip link set lo up; ip addr add 10.96.0.10/32 dev lo';

/** Options of resolv.conf and a command. */
export type LookupCase = readonly [options: string, command: string];

/** A script of the cases, each behind a mark in the log. @param call how a case's command is run */
export function caseScript(cases: readonly LookupCase[], call: (command: string) => string): string {
  const conf = (o: string): string =>
    `printf 'search a.test b.test\\nnameserver 10.96.0.10\\noptions ${o}\\n' > /etc/resolv.conf`;
  return cases
    .map(([options, command], i) => {
      const mark = `${conf('ndots:1')}; getent ahostsv4 mark.${i}. > /dev/null`;
      return `${mark}; ${conf(options)}; ${call(command)} 2>&1 | sed 's/^/LOG said /'`;
    })
    .join('\n');
}

/** What was logged and printed between one mark and the next. */
export function pages(text: string): string[] {
  const lines = text.split('\n').flatMap((l) => (l.startsWith('LOG ') ? [l.slice(4)] : []));
  const found: string[][] = [];
  for (const line of lines) {
    if (line.startsWith('page ')) found.push([]);
    else found.at(-1)?.push(line);
  }
  return found.map((page) => page.join('\n'));
}

/**
 * Runs the script on the real kernel with resolver files of its own. What a lookup says goes behind its queries in the log:
 * the server writes a query down before it answers.
 */
export function runReal(script: string): Promise<string> {
  const root = resolve(import.meta.dirname, '../..');
  const whole = `
    ${NETWORK}
    d=$(mktemp -d); printf '127.0.0.1\\tlocalhost\\n' > $d/hosts; printf 'hosts: files dns\\n' > $d/nsswitch.conf; : > $d/resolv.conf
    for f in resolv.conf hosts nsswitch.conf; do mount --bind $d/$f /etc/$f; done
    cd ${root}; node --import tsx test/apps/query-log.ts >> $d/log & server=$!
    until grep -q ready $d/log; do sleep 0.1; done
    {
    ${script}
    } >> $d/log
    kill $server; cat $d/log; rm -r $d`;
  return new Promise((done) => {
    const child = spawn('unshare', ['-m', '-n', 'bash', '-s'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d: Buffer) => {
      out += d.toString();
    });
    child.on('close', () => done(out));
    child.stdin.end(whole);
  });
}
