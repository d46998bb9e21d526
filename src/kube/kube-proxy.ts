// kube-proxy of one node: watches Services and slices, and has its mode write rules: at once when it has been idle for
// minSyncPeriod, else when that is over (pkg/util/async bounded_frequency_runner.go). A sync
// more than an hour after the last full one is a full one. After each sync UDP flows to endpoints that are gone are forgotten (stale-conntrack.ts).

import { NS_PER_S, type Ns, type Sim, type Timer } from '../sim/sim.ts';
import type { ProxyNode } from './endpoint-choice.ts';
import { type ProxyPort, ProxyState } from './proxy-state.ts';
import type { Services } from './services.ts';

/** proxyutil.FullSyncPeriod */
const FULL_SYNC_PERIOD: Ns = 3600 * NS_PER_S;

/** What writes the rules: iptables, ipvs. */
export interface ProxyMode {
  /**
   * @param ports every service port, sorted
   * @param changed `ns/svc` of the Services that changed since; null: everything is to be written
   */
  sync(ports: readonly ProxyPort[], changed: ReadonlySet<string> | null): void;
}

export interface KubeProxyOptions {
  readonly sim: Sim;
  readonly services: Services;
  readonly node: ProxyNode;
  readonly mode: ProxyMode;
  readonly minSyncPeriod: Ns;
  /** what follows each sync: flows that no endpoint serves are forgotten, health checks answer anew */
  readonly afterSync: (ports: readonly ProxyPort[]) => void;
}

export class KubeProxy {
  readonly #options: KubeProxyOptions;
  readonly #state: ProxyState;
  #pending: Timer | null = null;
  #lastSync: Ns = 0;
  #lastFull: Ns = 0;
  /** syncs so far, full ones among them */
  syncs = { full: 0, partial: 0 };

  /** Writes everything, and follows from then on. */
  constructor(options: KubeProxyOptions) {
    this.#options = options;
    this.#state = new ProxyState(options.services, options.node);
    this.#sync(true);
    options.services.listen((key) => {
      this.#state.note(key);
      this.#schedule();
    });
  }

  /** Everything is written anew, now. */
  fullSync(): void {
    this.#pending?.cancel();
    this.#pending = null;
    this.#sync(true);
  }

  /** All ports as of the last sync. */
  ports(): ProxyPort[] {
    return this.#state.ports();
  }

  #schedule(): void {
    if (this.#pending !== null) return;
    const { sim, minSyncPeriod } = this.#options;
    // What changes at one instant is one sync.
    const wait = Math.max(0, this.#lastSync + minSyncPeriod - sim.now);
    this.#pending = sim.after(wait, () => {
      this.#pending = null;
      this.#sync(sim.now - this.#lastFull >= FULL_SYNC_PERIOD);
    });
  }

  #sync(full: boolean): void {
    const { sim, mode, afterSync } = this.#options;
    const changed = this.#state.update();
    const ports = this.#state.ports();
    mode.sync(ports, full ? null : changed);
    afterSync(ports);
    this.#lastSync = sim.now;
    if (full) {
      this.#lastFull = sim.now;
      this.syncs.full++;
    } else this.syncs.partial++;
  }
}
