// Proves that ipvsadm prints what ipvsadm 1.31 prints (formats read from its binary; IPVS is not in the kernel of the test
// machine, so the real one cannot be asked), refuses as it does, and that what it orders is what packets meet.

import { describe, expect, it } from 'vitest';
import { EmulatedMachine } from './emulated.ts';

const HEAD =
  'IP Virtual Server version 1.2.1 (size=4096)\n' +
  'Prot LocalAddress:Port Scheduler Flags\n' +
  '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n';

async function lines(machine: EmulatedMachine, ...commands: string[]): Promise<void> {
  for (const command of commands) expect(await machine.run(command), command).toEqual({ out: '', status: 0 });
}

describe('ipvsadm', () => {
  it('lists services by protocol, address and port, and their real servers', async () => {
    const m = new EmulatedMachine();
    expect((await m.run('ipvsadm -Ln')).out).toBe(HEAD);
    await lines(
      m,
      'ipvsadm -A -u 10.96.0.10:53 -s rr',
      'ipvsadm -A -t 10.96.0.20:80 -s wrr',
      'ipvsadm -A -t 10.96.0.1:443 -s rr -p 10800',
      'ipvsadm -a -t 10.96.0.1:443 -r 192.168.56.10:6443 -m',
      'ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.2:8080 -m -w 3',
      'ipvsadm -a -t 10.96.0.20:80 -r 10.244.1.2:8080 -m',
    );
    expect((await m.run('ipvsadm -L -n')).out).toBe(
      `${HEAD}TCP  10.96.0.1:443 rr persistent 10800
  -> 192.168.56.10:6443           Masq    1      0          0         
TCP  10.96.0.20:80 wrr
  -> 10.244.1.2:8080              Masq    1      0          0         
  -> 10.244.2.2:8080              Masq    3      0          0         
UDP  10.96.0.10:53 rr
`,
    );
    expect((await m.run('ipvsadm -Ln --stats')).out).toContain(
      'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\nTCP  10.96.0.1:443                       0        0        0        0        0\n',
    );
    expect((await m.run('ipvsadm -Ln --timeout')).out).toBe('Timeout (tcp tcpfin udp): 900 120 300\n');
  });

  it('saves what it restores', async () => {
    const m = new EmulatedMachine();
    await lines(
      m,
      'ipvsadm -A -t 10.96.0.20:80 -s sh -p 300 -M 255.255.255.0',
      'ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.2:8080 -m -w 3 -x 10 -y 5',
      'ipvsadm -A -f 7 -s lc',
    );
    const saved = (await m.run('ipvsadm -Sn')).out;
    expect(saved).toBe(
      '-A -t 10.96.0.20:80 -s sh -p 300 -M 255.255.255.0\n-a -t 10.96.0.20:80 -r 10.244.2.2:8080 -m -w 3 -x 10 -y 5\n-A -f 7 -s lc\n',
    );
    await lines(m, 'ipvsadm -C');
    expect((await m.run('ipvsadm -Sn')).out).toBe('');
    for (const line of saved.trim().split('\n')) await lines(m, `ipvsadm ${line}`);
    expect((await m.run('ipvsadm -Sn')).out).toBe(saved);
  });

  it.each([
    ['-A -t 10.0.0.1', 2, 'Zero port specified for non-persistent service'],
    ['-A -t 10.0.0:80', 2, 'illegal virtual server address[:port] specified'],
    ['-A -t 10.0.0.1:80 -o', 2, 'One-Packet Scheduling is only for UDP virtual services'],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m', 255, 'Service not defined'],
    ['-D -t 10.0.0.1:80', 255, 'No such service'],
    ['-a -t 10.1.1.1:80 -r 10.0.0.2:80 -g', 2, 'podwire emulates IPVS forwarding by masquerading only: use -m'],
    ['-A -t 10.1.1.1:80', 255, 'Service already exists'],
    ['-a -t 10.1.1.1:80 -r 10.1.1.2:80 -m', 255, 'Destination already exists'],
    ['-d -t 10.1.1.1:80 -r 10.1.1.3:80', 255, 'No such destination'],
    ['-a -t 10.1.1.1:80 -r 10.1.1.3:80 -m -w 70000', 2, 'illegal weight specified'],
    ['-E -f 0', 2, "invalid fwmark value `0' specified"],
    ['--set 1 2', 2, '--set option requires 3 timeout values'],
  ])('refuses %s', async (words, status, text) => {
    const m = new EmulatedMachine();
    await lines(m, 'ipvsadm -A -t 10.1.1.1:80 -s rr', 'ipvsadm -a -t 10.1.1.1:80 -r 10.1.1.2:80 -m');
    expect(await m.run(`ipvsadm ${words}`)).toEqual({ out: `${text}\n`, status });
  });
});
