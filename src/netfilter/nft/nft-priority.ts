// Hooks and priorities under the names that nft has for them.

import { Hook } from '../hook.ts';

export const NFT_HOOKS: Readonly<Record<string, Hook>> = {
  prerouting: Hook.PRE_ROUTING,
  input: Hook.LOCAL_IN,
  forward: Hook.FORWARD,
  output: Hook.LOCAL_OUT,
  postrouting: Hook.POST_ROUTING,
};
/** NF_IP_PRI_* under the names of nft. */
export const NFT_PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};
