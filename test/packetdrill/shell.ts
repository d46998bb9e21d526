// The shell commands in packetdrill scripts: they set the machine up, nearly always by sysctls. What changes nothing here
// is let pass; what would need a part that is not there makes the script not applicable.

import type { NetNamespace } from '../../src/stack/netns.ts';
import { NotApplicable } from './verdict.ts';

/** What the setup script common to google/packetdrill's own tests means: the values their expectations assume. */
const DEFAULTS: Readonly<Record<string, string>> = {
  tcp_rmem: '4096 540000 15728640',
  tcp_wmem: '4096 262144 4194304',
  tcp_timestamps: '1',
  tcp_syn_retries: '5',
  tcp_synack_retries: '5',
  tcp_frto: '2',
  tcp_sack: '1',
  tcp_dsack: '1',
  tcp_fack: '0',
  tcp_reordering: '3',
  tcp_congestion_control: 'cubic',
  tcp_slow_start_after_idle: '0',
  tcp_early_retrans: '4',
  tcp_recovery: '1',
  tcp_tso_win_divisor: '3',
  tcp_ecn: '0',
  tcp_pacing_ss_ratio: '200',
  tcp_pacing_ca_ratio: '120',
  tcp_notsent_lowat: '4294967295',
  tcp_syncookies: '1',
};

export class Shell {
  readonly #netns: NetNamespace;
  readonly #setMtu: (mtu: number) => void;

  constructor(netns: NetNamespace, setMtu: (mtu: number) => void) {
    this.#netns = netns;
    this.#setMtu = setMtu;
  }

  /** @throws NotApplicable */
  run(text: string): void {
    for (const command of text
      .replace(/\\\s*\n/g, ' ')
      .split(/[\n;]|&&/)
      .map((c) => c.replace(/(^|\s)#.*$/, '').trim())) {
      if (command !== '') this.#command(command);
    }
  }

  #command(command: string): void {
    const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)?.map((w) => w.replace(/["']/g, '')) ?? [];
    const name = (words[0] ?? '').split('/').at(-1)!;
    if (name === 'defaults.sh') {
      // Values that this kernel does not have steer what it does not do.
      for (const [key, value] of Object.entries(DEFAULTS)) this.#netns.sysctl.set(`net.ipv4.${key}`, value);
    } else if (name === 'set_sysctls.py' || name === 'sysctl') {
      for (const word of words.slice(1)) {
        const m = /^(?:\/proc\/sys\/)?([\w./-]+)=(.*)$/.exec(word);
        if (m !== null) this.#sysctl(m[1]!.replaceAll('/', '.'), m[2]!, words.includes('-e'));
      }
    } else if (name === 'ip' && /^ip link set (?:dev )?tun0 mtu \d+$/.test(command)) {
      this.#setMtu(Number(words.at(-1)));
    } else if (name.startsWith('sysctl_restore') || name === 'ethtool' || name === 'true' || name === 'echo') {
      // Segments are cut before the device here, whatever its offloads; values need no restoring.
    } else if (
      /^ip tcp_metrics flush/.test(command) ||
      /^tc qdisc (?:add|replace) dev tun0 root pfifo$/.test(command)
    ) {
      // No metrics are kept from one script to the next; a pfifo lets everything through.
    } else {
      throw new NotApplicable(`needs \`${command}\``);
    }
  }

  #sysctl(name: string, value: string, mayFail: boolean): void {
    if (this.#netns.sysctl.get(name) === null) {
      if (mayFail) return;
      throw new NotApplicable(`needs the sysctl ${name}`);
    }
    const error = this.#netns.sysctl.set(name, value);
    if (error !== null) throw new NotApplicable(`sysctl ${name}=${value}: ${error}`);
  }
}
