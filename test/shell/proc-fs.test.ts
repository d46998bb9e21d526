// Proves that /proc/sys/net and /sys/class/net are those of the namespace in which a script runs.

import { describe, expect, it } from 'vitest';
import { runShell } from './rig.ts';

describe('/proc/sys and /sys/class/net', () => {
  it('are read and written per namespace', async () => {
    const ran = await runShell(`
      F=/proc/sys/net/ipv4/ip_forward
      within a bash -c "cat $F; echo 1 > $F; cat $F"
      within b cat $F
      cat $F
      within a cat $F
    `);
    expect(ran.stdout).toBe('0\n1\n0\n0\n1\n');
    expect(ran.stderr).toBe('');
  });

  it('show devices with their attributes', async () => {
    const ran = await runShell(
      'ls /sys/class/net; cat /sys/class/net/lo/mtu /sys/class/net/lo/address; [ -d /sys/class/net/lo ] && echo there; [ -e /sys/class/net/eth9 ] || echo not',
    );
    expect(ran.stdout).toBe('lo\n65536\n00:00:00:00:00:00\nthere\nnot\n');
  });

  it('have directories, down to a device whose name has a dot', async () => {
    const ran = await runShell(
      'ls /proc/sys/net/ipv4/conf; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo $f; done | wc -l',
    );
    expect(ran.stdout).toBe('all\ndefault\nlo\n3\n');
  });

  it('refuse what the kernel refuses, with a message', async () => {
    const ran = await runShell('echo x > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/nonsense; echo $?');
    expect(ran.stderr).toContain('bash: /proc/sys/net/ipv4/ip_forward: Invalid argument\n');
    expect(ran.stdout).toBe('1\n');
  });
});
