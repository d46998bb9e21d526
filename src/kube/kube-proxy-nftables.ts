// kube-proxy in nftables mode: each sync is one transaction of nft. Upstream writes only what changed; what comes out is the
// same, as the sets of client affinity are kept.

import { assert } from '../base/assert.ts';
import { runNft } from '../netfilter/nft/nft-command.ts';
import type { NftTables } from '../netfilter/nft/nft-tables.ts';
import { NftError } from '../netfilter/nft/nft-token.ts';
import type { ProxyMode } from './kube-proxy.ts';
import { NFT_PROXY_TABLE, type NftablesProxySettings, nftablesRules } from './proxy-nftables.ts';
import type { ProxyPort } from './proxy-state.ts';

export class NftablesMode implements ProxyMode {
  readonly #tables: NftTables;
  readonly #settings: () => NftablesProxySettings;

  /** @param settings asked at each sync: addresses of the node may have changed */
  constructor(tables: NftTables, settings: () => NftablesProxySettings) {
    this.#tables = tables;
    this.#settings = settings;
  }

  sync(ports: readonly ProxyPort[]): void {
    const table = this.#tables.findTable('ip', NFT_PROXY_TABLE);
    const existing = { chains: [...(table?.chains.keys() ?? [])], sets: [...(table?.sets.keys() ?? [])] };
    const { text } = nftablesRules(ports, this.#settings(), existing);
    try {
      runNft(this.#tables, text, { handles: false, stateless: false });
    } catch (error) {
      // Rules of our own making are always taken.
      if (error instanceof NftError)
        assert(false, `nft: ${error.line}: ${error.message}: ${text.split('\n')[error.line - 1]}`);
      throw error;
    }
  }
}
